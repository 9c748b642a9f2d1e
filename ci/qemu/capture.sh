# Fills a ring buffer of its own, instances/ktap_events, with every kind of event that an idle board can make fire. Runs on the board.
set -eu
grep -q ' tracefs ' /proc/mounts || mount -t tracefs tracefs /sys/kernel/tracing
cd /sys/kernel/tracing/instances
if [ -d ktap_events ]; then rmdir ktap_events; fi
mkdir ktap_events
cd ktap_events
echo 0 > tracing_on
echo 16384 > buffer_size_kb
# Linux 6.1 shows strings as empty where this is off.
echo hash-ptr > trace_options
echo 1 > events/enable
echo 1 > tracing_on

many_events
ls -lR /etc > /dev/null
cat /proc/self/maps /proc/self/smaps > /dev/null
ping -c 1 127.0.0.1 > /dev/null
mkdir /tmp/capture
mount -t tmpfs tmpfs /tmp/capture
dd if=/dev/zero of=/tmp/capture/file bs=64k count=16 2> /dev/null
umount /tmp/capture
rmdir /tmp/capture
echo hello > /dev/kmsg
echo 3 > /proc/sys/vm/drop_caches
echo 1 > /proc/sys/vm/compact_memory
sleep 0.1

echo 0 > tracing_on
echo 0 > events/enable
