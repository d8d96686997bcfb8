//! The tables that protocol modules are written in. Each reads like the RFC's XDR and makes a type
//! with `Encode` and `Decode`.

/// Fields in wire order; `[MAX]` is the bound of a variable-length one:
/// `pub struct Name<'a> { field: u32, bytes: &'a [u8] [MAX], items: Vec<T> [MAX], }`.
macro_rules! xdr_struct {
    ($($(#[$meta:meta])* pub struct $name:ident $(<$lt:lifetime>)? {
        $($(#[$fmeta:meta])* $field:ident: $ty:ty $([$max:expr])?,)+
    })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name $(<$lt>)? { $($(#[$fmeta])* pub $field: $ty,)+ }

        impl $(<$lt>)? $crate::xdr::Encode for $name $(<$lt>)? {
            #[inline]
            fn encode(&self, w: &mut $crate::xdr::Writer) {
                $($crate::xdr::Encode::encode(&self.$field, w);)+
            }
        }

        $crate::xdr::xdr_struct! { @decode $name $(<$lt>)? { $($field: $ty $([$max])?,)+ } }
    )+};
    (@decode $name:ident<$lt:lifetime> { $($field:ident: $ty:ty $([$max:expr])?,)+ }) => {
        impl<$lt> $crate::xdr::Decode<$lt> for $name<$lt> {
            #[inline]
            fn decode(r: &mut $crate::xdr::Reader<$lt>) -> Result<Self, $crate::xdr::DecodeError> {
                Ok(Self { $($field: $crate::xdr::xdr_field!(r, $ty $(, $max)?),)+ })
            }
        }
    };
    (@decode $name:ident { $($field:ident: $ty:ty $([$max:expr])?,)+ }) => {
        impl<'de> $crate::xdr::Decode<'de> for $name {
            #[inline]
            fn decode(r: &mut $crate::xdr::Reader<'de>) -> Result<Self, $crate::xdr::DecodeError> {
                Ok(Self { $($field: $crate::xdr::xdr_field!(r, $ty $(, $max)?),)+ })
            }
        }
    };
}

/// Decodes one field, with its bound if it has one.
macro_rules! xdr_field {
    ($r:expr, $ty:ty) => {
        <$ty as $crate::xdr::Decode>::decode($r)?
    };
    ($r:expr, $ty:ty, $max:expr) => {
        <$ty as $crate::xdr::DecodeBounded>::decode_bounded($r, $max)?
    };
}

/// Its first argument; the second only drives a repetition.
macro_rules! xdr_first {
    ($first:ident; $second:ty) => {
        $first
    };
}

/// `xdr_enum! { pub struct Name { ONE = 1, } }`: an enumeration whose unknown values survive.
macro_rules! xdr_enum {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$cmeta:meta])* $const:ident = $value:expr,)+
    })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            $(
                $(#[$cmeta])*
                #[doc = concat!("`", stringify!($const), "`, ", stringify!($value), ".")]
                pub const $const: Self = Self($value);
            )+

            /// Every value of the table, in its order.
            pub const KNOWN: &'static [Self] = &[$(Self::$const,)+];

            /// The table's name of the value, if it has one.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$const => Some(stringify!($const)),)+
                    _ => None,
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!(stringify!($name), "({})"), self.0),
                }
            }
        }

        $crate::xdr::xdr_newtype! { @codec $name u32 }
    )+};
}

/// `xdr_flags! { pub struct Name { READ = 1, WRITE = 2, } }`: a set of bits in a word; unknown bits
/// survive.
macro_rules! xdr_flags {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$cmeta:meta])* $const:ident = $value:expr,)+
    })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u32);

        impl $name {
            $(
                $(#[$cmeta])*
                #[doc = concat!("`", stringify!($const), "`, ", stringify!($value), ".")]
                pub const $const: Self = Self($value);
            )+

            /// Every name of the table with its bits, in its order.
            pub const KNOWN: &'static [(&'static str, Self)] =
                &[$((stringify!($const), Self::$const),)+];

            /// No bit set.
            pub const fn empty() -> Self {
                Self(0)
            }

            /// Whether all bits of `other` are set.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any bit of `other` is set.
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// These bits without those of `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl core::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl core::ops::BitAnd for $name {
            type Output = Self;

            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        $crate::xdr::xdr_newtype! { @codec $name u32 }
    )+};
}

/// `xdr_newtype! { pub struct Name([u8; 8]); }`: a typedef that is a type of its own.
macro_rules! xdr_newtype {
    ($($(#[$meta:meta])* pub struct $name:ident($inner:ty);)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        $crate::xdr::xdr_newtype! { @codec $name $inner }
    )+};
    (@codec $name:ident $inner:ty) => {
        impl $crate::xdr::Encode for $name {
            #[inline]
            fn encode(&self, w: &mut $crate::xdr::Writer) {
                $crate::xdr::Encode::encode(&self.0, w);
            }
        }

        impl<'de> $crate::xdr::Decode<'de> for $name {
            #[inline]
            fn decode(r: &mut $crate::xdr::Reader<'de>) -> Result<Self, $crate::xdr::DecodeError> {
                <$inner as $crate::xdr::Decode>::decode(r).map(Self)
            }
        }
    };
}

/// One arm a line; `_` keeps any other discriminant, without a body. Without it, one is an error:
/// `pub enum Name<'a> switch Disc { Void = A, Body(T) = B, Some(&'a [u8] [MAX]) = C, _ => Rest, }`.
macro_rules! xdr_union {
    ($($(#[$meta:meta])* pub enum $name:ident $(<$lt:lifetime>)? switch $disc:ident {
        $($(#[$vmeta:meta])* $variant:ident $(($ty:ty $([$max:expr])?))? = $val:ident,)+
        $(_ => $other:ident,)?
    })+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name $(<$lt>)? {
            $($(#[$vmeta])* $variant $(($ty))?,)+
            $(
                /// Any other discriminant; it has no body.
                $other($disc),
            )?
        }

        impl $(<$lt>)? $name $(<$lt>)? {
            /// The discriminant of this arm.
            pub const fn discriminant(&self) -> $disc {
                match self {
                    $(Self::$variant { .. } => $disc::$val,)+
                    $(Self::$other(other) => *other,)?
                }
            }
        }

        impl $(<$lt>)? $crate::xdr::Encode for $name $(<$lt>)? {
            fn encode(&self, w: &mut $crate::xdr::Writer) {
                $crate::xdr::Encode::encode(&self.discriminant(), w);
                match self {
                    $(Self::$variant $(($crate::xdr::xdr_first!(body; $ty)))? => {
                        $($crate::xdr::Encode::encode($crate::xdr::xdr_first!(body; $ty), w);)?
                    })+
                    $(Self::$other(_) => {})?
                }
            }
        }

        $crate::xdr::xdr_union! {
            @decode $name $(<$lt>)? $disc {
                $($variant $(($ty $([$max])?))? = $val,)+ $(_ => $other,)?
            }
        }
    )+};
    (@decode $name:ident<$lt:lifetime> $disc:ident $arms:tt) => {
        impl<$lt> $crate::xdr::Decode<$lt> for $name<$lt> {
            fn decode(r: &mut $crate::xdr::Reader<$lt>) -> Result<Self, $crate::xdr::DecodeError> {
                $crate::xdr::xdr_union! { @arms r $disc $arms }
            }
        }
    };
    (@decode $name:ident $disc:ident $arms:tt) => {
        impl<'de> $crate::xdr::Decode<'de> for $name {
            fn decode(r: &mut $crate::xdr::Reader<'de>) -> Result<Self, $crate::xdr::DecodeError> {
                $crate::xdr::xdr_union! { @arms r $disc $arms }
            }
        }
    };
    (@arms $r:ident $disc:ident {
        $($variant:ident $(($ty:ty $([$max:expr])?))? = $val:ident,)+ $(_ => $other:ident,)?
    }) => {
        Ok(match <$disc as $crate::xdr::Decode>::decode($r)? {
            $($disc::$val => Self::$variant $(($crate::xdr::xdr_field!($r, $ty $(, $max)?)))?,)+
            $(other if $crate::xdr::xdr_union!(@always $other) => Self::$other(other),)?
            #[allow(unreachable_patterns)]
            other => return Err($crate::xdr::DecodeError::BadDiscriminant(other.0)),
        })
    };
    (@always $other:ident) => {
        true
    };
}

pub(crate) use {xdr_enum, xdr_field, xdr_first, xdr_flags, xdr_newtype, xdr_struct, xdr_union};
