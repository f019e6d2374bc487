#!/bin/sh
# What the local stack needs of Debian or Ubuntu, installed where it is missing; silent when nothing is.
# The broker is run privately by infra/local/broker.py: installing it starts and enables no system broker,
# and one that is installed already is left as it is.
set -eu

missing=""
[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing="rabbitmq-server"
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
missing=${missing# }
[ -n "$missing" ] || exit 0

refuse() {
  echo "debian.sh: $1; install it yourself: $missing" >&2
  exit 1
}

command -v apt-get >/dev/null || refuse "no apt-get on this machine"
if [ "$(id -u)" = 0 ]; then
  as_root=""
elif sudo -n true 2>/dev/null; then
  as_root="sudo -n"
else
  refuse "neither root nor a sudo without password"
fi

case "$missing" in
  *rabbitmq-server*) broker=new ;;
  *) broker=untouched ;;
esac

policy=/usr/sbin/policy-rc.d
if [ "$broker" = new ] && [ ! -e "$policy" ]; then
  # Package scripts ask this file before they start a service: 101 says no. Gone again when we end.
  trap '$as_root rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
fi

echo "installing $missing"
install() {
  # shellcheck disable=SC2086 # both are lists of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
install 2>/dev/null || { $as_root apt-get update -qq && install; } || refuse "apt-get failed"

if [ "$broker" = new ] && [ -d /run/systemd/system ]; then
  $as_root systemctl disable --now --quiet rabbitmq-server || true # only the one that came just now
fi
