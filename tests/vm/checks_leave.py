"""The end of a node, and joins that must not come about: after checks_join.py and checks_live.py, on the same machine."""

from checks_join import APPLY_LIMIT, NAME, expect_none, packages, wait_ready, write_spec, write_token
from checks_provision import SPEC
from claim import JOIN, check, expect, wait


@check("leave: Pods end, the kubelet stops, no file of kubeadm's is left; the host may not take the name of its own Node while"
       " that is Ready", JOIN)
def leaves(vm):
    pods = vm.sh("crictl pods -q").split()
    expect(pods, "there is no Pod whose end could be seen")
    said = vm.sh("gpunode leave --yes", timeout=300)
    expect_none(vm, "after leave")
    expect(not vm.sh("crictl pods -q").split(), f"Pods are left: {said}")
    expect(vm.cluster.is_ready(NAME), "the Node is not Ready any more")
    taken = vm.run(f"gpunode apply --yes {SPEC}", timeout=300)
    expect(taken.status != 0 and f"has a Node {NAME} already, and it is Ready" in taken.out + taken.err, f"apply: {taken.words}")
    expect_none(vm, "with a name that is taken")
    vm.cluster.kubectl("delete", "node", NAME)


@check("a wrong CA hash, a token that is not the cluster's, one that was deleted: each told before anything is begun", JOIN)
def refused(vm):
    write_spec(vm, "sha256:" + "0" * 64)
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=300)
    expect(told.status != 0 and "none of spec.kubernetes.join.caCertHashes" in told.out + told.err, f"another CA: {told.words}")
    write_spec(vm)
    deleted = vm.cluster.create_token()
    vm.cluster.delete_token(deleted)
    write_token(vm, deleted)
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=300)
    expect(told.status != 0 and "expired" in told.out + told.err, f"a token that was deleted: {told.words}")
    write_token(vm, vm.cluster.token[:7] + "0" * 16)
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=300)
    expect(told.status != 0 and "token" in told.out + told.err, f"a wrong token: {told.words}")
    expect_none(vm, "after tokens that are not taken")


@check("a kubelet that ends once kubeadm has started it: the join is taken back, and told with the kubelet's own last word", JOIN)
def kubelet_ends(vm):
    write_token(vm, vm.cluster.token)
    vm.sh("fallocate -l 64M /swap; chmod 600 /swap; mkswap /swap; swapon /swap")
    write_spec(vm, ignored="Swap")
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=APPLY_LIMIT)
    vm.sh("swapoff /swap; rm /swap")
    write_spec(vm)
    expect(told.status != 0 and "running with swap on is not supported" in told.out + told.err
           and "taken back" in told.out + told.err, f"apply: {told.words}")
    expect_none(vm, "after a join that was taken back")
    expect(vm.cluster.node(NAME) is None, "the cluster has a Node of it")


@check("a port 10250 that another program has taken once kubeadm looks no more: the join is taken back, and told with what the kubelet"
       " says of the port", JOIN)
def port_is_taken(vm):
    write_token(vm, vm.cluster.token)
    holder = "import socket, time; s = socket.create_server(('0.0.0.0', 10250)); time.sleep(3600)"
    vm.sh(f'systemd-run --quiet --collect --unit vm-port python3 -c "{holder}"')
    wait(vm, "grep -q :280A /proc/net/tcp", "the port is taken")
    write_spec(vm, ignored="Port-10250")
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=APPLY_LIMIT)
    vm.sh("systemctl stop vm-port.service")
    write_spec(vm)
    expect(told.status != 0 and "address already in use" in told.out + told.err and "ss -ltnp" in told.out + told.err
           and "taken back" in told.out + told.err, f"apply: {told.words}")
    expect_none(vm, "after a join that was taken back")
    vm.cluster.kubectl("delete", "node", NAME, "--ignore-not-found")


@check("a power cut while kubeadm joins: after the boot the run goes on by itself, and the host is a node", JOIN)
def cut_amid_join(vm):
    write_token(vm, vm.cluster.token)
    vm.sh(f"systemd-run --quiet --collect --unit vm-apply gpunode apply --yes {SPEC}")
    wait(vm, "test -e /etc/kubernetes/pki/ca.crt", "kubeadm has begun")
    vm.sh("sync")
    vm.cut_power()
    vm.boot()
    wait(vm, "! systemctl show -p ActiveState gpunode-resume.service | grep -q activating", "the run has gone on")
    wait_ready(vm, "the Node is Ready after the run has gone on")
    again = vm.sh(f"gpunode apply --yes {SPEC}")
    expect("0 to change" in again, f"a further apply: {again}")


@check("rollback: no node, no package more than before, no file of gpunode's in /etc, and a blank disk", JOIN)
def bare_again(vm):
    vm.sh("systemctl disable --now gpunode-agent.service")
    vm.sh("gpunode rollback --yes --confirm-wipe=AWS0001", timeout=APPLY_LIMIT)
    expect_none(vm, "after rollback")
    now = packages(vm)
    expect(now == vm.packages_before, f"packages are others: {sorted(now ^ vm.packages_before)}")
    left = vm.run("grep -rl '^# Written by gpunode' /etc --exclude-dir=gpunode").out
    expect(not left, f"files are left: {left}")
    vm.sh("! findmnt /var/lib/containerd")
    expect(vm.run("blkid -p /dev/nvme0n1").status == 2, "the disk is not blank")
