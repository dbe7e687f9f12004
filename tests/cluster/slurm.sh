#!/usr/bin/env bash
# A Slurm of one node on loopback, for tests: tests/cluster/slurm.sh up FOLDER, and down FOLDER.
# Runs as root, with Debian's packages: apt-get install -y --no-install-recommends slurm-wlm munge
set -euo pipefail

fail() {
    echo "$1" >&2
    exit 1
}

usage="usage: ${0##*/} up|down FOLDER (what the daemons write goes there)"
[[ $# == 2 ]] || fail "$usage"
mkdir -p "$2"
folder=$(realpath "$2")
config=$folder/slurm.conf
# Snakemake's plugin takes all SLURM_* out of its jobs' environment, SLURM_CONF too, so that a job's
# own srun looks here and nowhere else.
found_by_all=/etc/slurm/slurm.conf

configure() {
    local host node
    host=$(hostname -s)
    getent hosts "$host" >/dev/null || echo "127.0.0.1 $host" >>/etc/hosts
    # NodeName, sockets, cores and threads as this machine has them; all memory but a part.
    node=$(slurmd -C | sed -n '/^NodeName=/{s/ Boards=[0-9]*//;s/ RealMemory=.*//;p}')
    memory=$(slurmd -C | sed -nE 's/.*RealMemory=([0-9]+).*/\1/p')
    cat >"$config" <<CONF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# In a container there are no cgroups to hold jobs with, and nothing keeps accounts.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
KillWait=2
# Without accounts, who asks how a job ended finds it in the queue for so many seconds.
MinJobAge=600
PropagateResourceLimits=NONE
$node NodeAddr=127.0.0.1 RealMemory=$((memory - 512)) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    mkdir -p "${found_by_all%/*}"
    if [[ -e $found_by_all && $(readlink "$found_by_all") != "$config" ]]; then
        fail "$found_by_all: another Slurm is configured here; take that one down first"
    fi
    ln -sfn "$config" "$found_by_all"
}

up() {
    [[ $EUID == 0 ]] || fail "the daemons start jobs of any user: run this as root"
    mkdir -p "$folder"/{state,spool,munge}
    chmod 755 "$folder" "$folder/munge"
    configure
    (umask 077 && head -c 1024 /dev/urandom >"$folder/munge/key")
    munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
        --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
        --seed-file="$folder/munge/seed" --force
    slurmctld -i -f "$config"
    slurmd -N "$(hostname -s)" -f "$config"
    local end=$((SECONDS + 60))
    while ((SECONDS < end)); do
        [[ $(sinfo -h -o %T 2>/dev/null) == idle ]] && return
        sleep 0.25
    done
    tail -n 20 "$folder"/*.log >&2
    down
    fail "the node is not idle after a minute; above is what the daemons say"
}

down() {
    for daemon in slurmd slurmctld munged; do
        if [[ -s $folder/$daemon.pid ]]; then
            kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
        fi
    done
    if [[ $(readlink "$found_by_all") == "$config" ]]; then
        rm "$found_by_all"
    fi
}

case $1 in
up | down) "$1" ;;
*) fail "$usage" ;;
esac
