//! The table that ties operation numbers to arguments and results, for both directions.

/// One row an operation: `number NAME = Variant(Args) -> Ok;`, either part may be missing. Makes
/// the number type, the enum of arguments and the enum of result bodies.
macro_rules! op_table {
    (
        $(#[$nmeta:meta])* pub struct $num:ident;
        $(#[$ometa:meta])* pub enum $op:ident;
        $(#[$bmeta:meta])* pub enum $body:ident special $special:ident;
        $($number:literal $const:ident = $variant:ident $(($args:ty))? $(-> $ok:ty)?;)+
        special { $($(#[$smeta:meta])* $svariant:ident($sty:ty),)* }
    ) => {
        $crate::xdr::xdr_enum! {
            $(#[$nmeta])*
            pub struct $num {
                $($const = $number,)+
                ILLEGAL = 10044,
            }
        }

        $(#[$ometa])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $op<'a> {
            $(
                #[doc = concat!("`OP_", stringify!($const), "`, ", stringify!($number), ".")]
                $variant $(($args))?,
            )+
            /// A number nobody defined, so that nobody knows where the next operation starts.
            Illegal(u32),
        }

        impl<'a> $op<'a> {
            /// The operation's number.
            pub const fn num(&self) -> $num {
                match self {
                    $(Self::$variant { .. } => $num::$const,)+
                    Self::Illegal(number) => $num(*number),
                }
            }

            /// Takes the arguments of operation `num`.
            pub fn decode(
                num: $num,
                r: &mut $crate::xdr::Reader<'a>,
            ) -> Result<Self, $crate::xdr::DecodeError> {
                Ok(match num {
                    $(
                        $num::$const =>
                            Self::$variant $((<$args as $crate::xdr::Decode>::decode(r)?))?,
                    )+
                    $num(other) => Self::Illegal(other),
                })
            }
        }

        /// The number, then the arguments.
        impl $crate::xdr::Encode for $op<'_> {
            fn encode(&self, w: &mut $crate::xdr::Writer) {
                $crate::xdr::Encode::encode(&self.num(), w);
                match self {
                    $(Self::$variant $(($crate::xdr::xdr_first!(args; $args)))? => {
                        $($crate::xdr::Encode::encode($crate::xdr::xdr_first!(args; $args), w);)?
                    })+
                    Self::Illegal(_) => {}
                }
            }
        }

        $(#[$bmeta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $body<'a> {
            /// Nothing.
            Void,
            $($(
                #[doc = concat!("Of `OP_", stringify!($const), "` when it succeeded.")]
                $variant($ok),
            )?)+
            $($(#[$smeta])* $svariant($sty),)*
        }

        impl<'a> $body<'a> {
            /// Takes what operation `num` gives with `status`.
            pub fn decode(
                num: $num,
                status: $crate::nfs4::Status,
                r: &mut $crate::xdr::Reader<'a>,
            ) -> Result<Self, $crate::xdr::DecodeError> {
                if let Some(body) = $special(num, status, r)? {
                    return Ok(body);
                }
                if num.name().is_none() {
                    return Err($crate::xdr::DecodeError::BadDiscriminant(num.0));
                }
                Ok(match (num, status) {
                    $($(
                        ($num::$const, $crate::nfs4::Status::OK) =>
                            Self::$variant(<$ok as $crate::xdr::Decode>::decode(r)?),
                    )?)+
                    _ => Self::Void,
                })
            }
        }

        impl $crate::xdr::Encode for $body<'_> {
            fn encode(&self, w: &mut $crate::xdr::Writer) {
                match self {
                    Self::Void => {}
                    $($(
                        Self::$variant($crate::xdr::xdr_first!(body; $ok)) =>
                            $crate::xdr::Encode::encode($crate::xdr::xdr_first!(body; $ok), w),
                    )?)+
                    $(
                        Self::$svariant($crate::xdr::xdr_first!(body; $sty)) =>
                            $crate::xdr::Encode::encode($crate::xdr::xdr_first!(body; $sty), w),
                    )*
                }
            }
        }
    };
}

pub(crate) use op_table;
