#!/bin/sh
# serve under a service manager that waits for its word, as systemd does with Type=notify: READY=1 comes
# from the service's own process, when it can be dialed and not before; STOPPING=1 comes at the end. A
# manager that cannot be told is no reason to fail, and programs that p2pmail starts do not inherit it.
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null 2>&1 || skip "python3 is not installed"
person alice; person bob
befriend alice bob

# manager.py SOCKET LOG COMMAND...: starts it, prints READY, ends it when its own input ends.
cat >manager.py <<'END'
import os, signal, socket, struct, subprocess, sys
name, log, command = sys.argv[1], sys.argv[2], sys.argv[3:]
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
manager.settimeout(30)
service = subprocess.Popen(command, env=dict(os.environ, NOTIFY_SOCKET=name), stderr=open(log, "w"))

def expect(first):
    text, ancillary, _, _ = manager.recvmsg(4096, 1024)
    pid = struct.unpack("iII", ancillary[0][2])[0]
    if pid != service.pid or text.decode().split("\n")[0] != first:
        sys.exit(f"not {first}: {text} from {pid}, the service is {service.pid}")
    return text.decode()
try:
    # What a manager shows as the state of the service: where it can be reached.
    status = expect("READY=1").split("\n")[1].removeprefix("STATUS=listening on tcp://")
    host, port = status.split(":")
    socket.create_connection((host, int(port)), 10).close()
    print("READY", flush=True)
    sys.stdin.read()
    service.send_signal(signal.SIGTERM)
    expect("STOPPING=1")
    sys.exit(service.wait(10))
finally:
    if service.poll() is None: service.kill()
END

for socket in "$work/notify" "@p2pmail-e2e-$$"; do
  rm -f control; mkfifo control
  P2PMAIL_HOME=$work/bob python3 manager.py "$socket" serve.log \
    "$P2PMAIL" serve --listen tcp://127.0.0.1:0 <control >ready 2>manager.log &
  manager=$!
  nodes="$nodes $manager"
  exec 9>control # the manager's input ends when this is closed, also when this script dies
  until_true 30 grep -q READY ready || die "not ready: $(cat manager.log)"
  as bob card -o bob.card
  as alice peers add bob bob.card
  echo hello | as alice send -v -s "by $socket" bob >sent
  grep -q delivered sent || die "ready, but takes no mail: $(cat sent)"
  exec 9>&-
  wait "$manager" || die "$(cat manager.log)"
done

# Nobody there, and nonsense.
for socket in "$work/nobody" relative ""; do
  NOTIFY_SOCKET=$socket node bob
  stop "$pid"
done

# The pager is a program that p2pmail starts on a terminal.
cat >terminal.py <<'END'
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
END
P2PMAIL_HOME=$work/bob NOTIFY_SOCKET=$work/nobody PAGER="env >'$work/environment'; cat" \
  timeout 30 python3 terminal.py "$P2PMAIL" show @ >shown </dev/null || die "show: $(cat shown)"
grep -q '^PAGER=' environment || die "the pager was not started: $(cat shown)"
grep NOTIFY_SOCKET environment && die "the pager inherited the service manager's socket"
exit 0
