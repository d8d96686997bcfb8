#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/sbin:/usr/bin HOME=/tmp HOST=10.0.2.2
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
for module in /modules/*; do
  case $module in
    *.ko) insmod "$module" 2>/dev/null ;;
    *.ko.xz) xzcat "$module" >/tmp/module.ko && insmod /tmp/module.ko 2>/dev/null ;;
  esac
done
rm -f /tmp/module.ko
hostname "$(cat /etc/hostname)"
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via "$HOST"
echo GUEST-START
sh /script.sh
status=$?
if [ $status != 0 ]; then
  echo "guest: the kernel's last messages:"
  dmesg | tail -n 30
fi
echo "GUEST-EXIT $status"
sync
poweroff -f
