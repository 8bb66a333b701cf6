#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# slurmbox.sh start|stop DIR : a real single-node Slurm on loopback, all state under DIR.
#   ACCT=none|dbd   (default none: no sacct; dbd: slurmdbd + private MariaDB on 127.0.0.1)
#   GPUS=1 GPUFILES=/dev/null   fake GPUs; two: GPUS=2 GPUFILES='/dev/null /dev/zero'
#   CPUS=N          as many as the node shall seem to have (default: what it has)
# Needs slurm-wlm and munge, for ACCT=dbd also slurmdbd and mariadb-server; root or an ordinary user. Fixed ports: one box
# a machine. Details that matter: a GPU needs File=, or the node drains; cred_expire=5 has a requeued job wait 6 s and not
# 121; AccountingStoragePass names munge's socket; Slurm looks at time limits about every 30 s.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
cmd=$1; D=$(readlink -f -m "$2"); U=$(id -un); host=$(hostname -s)
export SLURM_CONF=$D/slurm.conf
alive() { local p; p=$(cat "$1" 2>/dev/null) && [ -n "$p" ] && [ -d "/proc/$p" ] && ! grep -qs '^State:.*Z' "/proc/$p/status"; }
stop_pid() { alive "$1" || return 0; local p i; p=$(cat "$1"); kill -TERM "$p" 2>/dev/null || return 0
  for i in $(seq 150); do alive "$1" || return 0; sleep 0.1; done; kill -KILL "$p"; }
wait_for() { local i; for i in $(seq 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; echo "timed out: $*" >&2; return 1; }
node_up() { sinfo -h -o %T | grep -qxE 'idle|mixed|allocated'; }
case $cmd in
start)
  mkdir -p "$D"/{state,spool,log,run}; chmod 755 "$D"; chmod 711 "$D/run"
  cpus=${CPUS:-$(nproc)}; mem=$(slurmd -C | sed -n 's/.*RealMemory=\([0-9]*\).*/\1/p'); mem=$((mem * 9 / 10))
  [ -s "$D/munge.key" ] || { (umask 077; head -c 128 /dev/urandom > "$D/munge.key"); }
  munged --force --key-file="$D/munge.key" --socket="$D/run/munge.sock" --pid-file="$D/run/munged.pid" \
         --log-file="$D/log/munged.log" --seed-file="$D/run/munge.seed" --num-threads=2
  acct="AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none"
  if [ "${ACCT:-none}" = dbd ]; then
    if [ ! -d "$D/db/mysql" ]; then
      mariadb-install-db --no-defaults --datadir="$D/db" --auth-root-authentication-method=normal --skip-test-db --user="$U" > "$D/log/db-install.log" 2>&1
    fi
    mariadbd --no-defaults --user="$U" --datadir="$D/db" --socket="$D/run/db.sock" --pid-file="$D/run/db.pid" \
      --bind-address=127.0.0.1 --port=16833 --innodb-buffer-pool-size=64M --innodb-log-file-size=16M --innodb-lock-wait-timeout=900 --log-error="$D/log/db.log" >/dev/null 2>&1 </dev/null &
    wait_for mariadb-admin --no-defaults -u root -S "$D/run/db.sock" ping
    mariadb --no-defaults -u root -S "$D/run/db.sock" -e "create user if not exists slurm@'%' identified by 'box'; grant all on box_acct.* to slurm@'%'; create user if not exists slurm@localhost identified by 'box'; grant all on box_acct.* to slurm@localhost;"
    (umask 077; cat > "$D/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$D/run/munge.sock
DbdHost=$host
DbdAddr=127.0.0.1
DbdPort=16819
SlurmUser=$U
PidFile=$D/run/slurmdbd.pid
LogFile=$D/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=16833
StorageUser=slurm
StoragePass=box
StorageLoc=box_acct
CONF
)
    acct="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=16819
AccountingStoragePass=$D/run/munge.sock
AccountingStorageTRES=gres/gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=5"
  fi
  g=gpu:fake:${GPUS:-1}; for file in ${GPUFILES:-/dev/null}; do echo "NodeName=$host Name=gpu Type=fake File=$file"; done > "$D/gres.conf"
  cat > "$D/slurm.conf" <<CONF
ClusterName=box
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$U
SlurmdUser=$U
AuthType=auth/munge
AuthInfo=socket=$D/run/munge.sock,cred_expire=5
SlurmctldPort=16817
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmdPort=16818
SlurmdParameters=config_overrides
SlurmctldPidFile=$D/run/slurmctld.pid
SlurmdPidFile=$D/run/slurmd.pid
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd.log
StateSaveLocation=$D/state
SlurmdSpoolDir=$D/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
$acct
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1024
ReturnToService=2
JobRequeue=1
KillWait=5
MinJobAge=600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$mem Gres=$g State=UNKNOWN
PartitionName=gpu Nodes=$host Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=5
PartitionName=urgent Nodes=$host MaxTime=INFINITE State=UP PriorityTier=10
CONF
  if [ "${ACCT:-none}" = dbd ]; then
    SLURM_CONF=$D/slurm.conf slurmdbd
    wait_for sacctmgr -n show cluster
    sacctmgr -n show cluster format=Cluster%20 | grep -qw box || sacctmgr -i add cluster box >/dev/null
    sacctmgr -n show account | grep -qw boxacct || { sacctmgr -i add account boxacct Cluster=box Description=box Organization=box >/dev/null;
      sacctmgr -i add user "$U" Account=boxacct >/dev/null; }
  fi
  slurmctld; slurmd; wait_for node_up
  sinfo -N -o '%N %P %T %c %m %G'
  ;;
stop)
  scancel --quiet -u "$U" 2>/dev/null || true
  stop_pid "$D/run/slurmd.pid"; stop_pid "$D/run/slurmctld.pid"; stop_pid "$D/run/slurmdbd.pid"
  [ -S "$D/run/db.sock" ] && mariadb-admin --no-defaults -u root -S "$D/run/db.sock" shutdown 2>/dev/null || true
  stop_pid "$D/run/munged.pid"
  # A step that was under way asks for ever to be heard, and its slurmd waits for it.
  for p in /proc/[0-9]*; do
    case $(cat "$p/comm" 2>/dev/null) in slurmd|slurmstepd) ;; *) continue ;; esac
    if tr '\0' '\n' 2>/dev/null <"$p/environ" | grep -qx "SLURM_CONF=$SLURM_CONF"; then kill -KILL "${p#/proc/}" || true; fi
  done
  ;;
esac
