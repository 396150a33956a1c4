#!/bin/sh
# The exact part of an exact guest: the jobs of its job list, one after the other, before the first packet.  Run by
# init; nothing here may depend on the host.  Each job's marks go to the kernel log, and so to the console; what it
# says, how it ended, when (seconds since boot) and the probe after it are kept in files for `fetch`.
place=${0%/*}
kept=/run/exact
mkdir $kept

probe() {
    sh $place/probe </dev/null >$kept/$1.probe 2>/dev/null
}

# After an oops, a bad page, or lockdep's end nothing that runs here can be believed: the harness takes another guest.
spent() {
    read -r taint </proc/sys/kernel/tainted
    [ $((taint & 160)) -eq 0 ] || return 0
    alive 0000 && ! alive $1
}

alive() {
    ! grep -q 'debug_locks: *0$' $kept/$1.probe
}

probe 0000
for job in $place/jobs/*; do
    number=${job##*/}
    read -r name <$job/name
    read -r seconds <$job/seconds
    echo "<1>vmaharness: $name" >/dev/kmsg
    read -r began rest </proc/uptime
    timeout -k 2 $seconds sh $job/command </dev/null >$kept/$number.stdout 2>$kept/$number.stderr
    echo $? >$kept/$number.code
    read -r ended rest </proc/uptime
    echo "$began $ended" >$kept/$number.time
    echo "<1>vmaharness: end of $name" >/dev/kmsg
    probe $number
    spent $number && break
    [ ${ended%.*} -lt $((${began%.*} + seconds)) ] || break
done
echo '<1>vmaharness: end of the exact part' >/dev/kmsg
