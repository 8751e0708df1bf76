# The same as scenario geometry, for every layout of every level, with odd and even numbers of members, and for the raid10 layouts
# that are refused: what the kernel itself makes of those.
# phases: 1
# long: yes
# timeout: 1800
. /guest/scenarios/geometry.sh

arrays() {
    cat <<'END'
m2-090|2|1800||--level=1 --metadata=0.90
m4-10|4|1801|bits|--level=1 --metadata=1.0
m5-11|5|1803||--level=1 --metadata=1.1
r4-2|2|1800||--level=4 --metadata=1.2 --chunk=8
r4-5|5|1811|bits|--level=4 --metadata=1.0 --chunk=16
r4-6-090|6|1800||--level=4 --metadata=0.90 --chunk=64
r5-la4|4|1800||--level=5 --metadata=1.2 --chunk=16 --layout=left-asymmetric
r5-la6|6|1803|bits|--level=5 --metadata=1.1 --chunk=4 --layout=left-asymmetric
r5-ra3|3|1800||--level=5 --metadata=1.0 --chunk=32 --layout=right-asymmetric
r5-ra5|5|1800||--level=5 --metadata=1.2 --chunk=8 --layout=right-asymmetric
r5-ls2|2|1800||--level=5 --metadata=1.2 --chunk=16 --layout=left-symmetric
r5-ls3|3|1800|bits|--level=5 --metadata=1.2 --chunk=64 --layout=left-symmetric
r5-ls7|7|1800|bits|--level=5 --metadata=1.2 --chunk=8 --layout=left-symmetric
r5-rs4|4|1800||--level=5 --metadata=0.90 --chunk=16 --layout=right-symmetric
r5-rs5|5|1807|bits|--level=5 --metadata=1.1 --chunk=16 --layout=right-symmetric
r5-pf4|4|1800||--level=5 --metadata=1.2 --chunk=16 --layout=parity-first
r5-pl4|4|1800||--level=5 --metadata=1.0 --chunk=16 --layout=parity-last
r6-la4|4|1800||--level=6 --metadata=1.2 --chunk=16 --layout=left-asymmetric
r6-la5|5|1800||--level=6 --metadata=0.90 --chunk=8 --layout=left-asymmetric
r6-ra5|5|1800||--level=6 --metadata=1.2 --chunk=8 --layout=right-asymmetric
r6-ra6|6|1801|bits|--level=6 --metadata=1.0 --chunk=16 --layout=right-asymmetric
r6-ls4|4|1800||--level=6 --metadata=1.1 --chunk=32 --layout=left-symmetric
r6-ls7|7|1805|bits|--level=6 --metadata=1.2 --chunk=4 --layout=left-symmetric
r6-rs5|5|1800||--level=6 --metadata=1.2 --chunk=16 --layout=right-symmetric
r6-rs6|6|1800||--level=6 --metadata=0.90 --chunk=8 --layout=right-symmetric
r6-pf5|5|1800||--level=6 --metadata=1.2 --chunk=16 --layout=parity-first
r6-pl5|5|1800||--level=6 --metadata=1.2 --chunk=16 --layout=parity-last
r6-d0-4|4|1800||--level=6 --metadata=1.2 --chunk=16 --layout=ddf-zero-restart
r6-d0-6|6|1800||--level=6 --metadata=1.0 --chunk=8 --layout=ddf-zero-restart
r6-dn-5|5|1800||--level=6 --metadata=1.2 --chunk=8 --layout=ddf-N-restart
r6-dn-7|7|1800||--level=6 --metadata=1.1 --chunk=16 --layout=ddf-N-restart
r6-dc-4|4|1800||--level=6 --metadata=1.2 --chunk=8 --layout=ddf-N-continue
r6-dc-5|5|1803|bits|--level=6 --metadata=1.2 --chunk=16 --layout=ddf-N-continue
r6-la6-5|5|1800||--level=6 --metadata=1.2 --chunk=16 --layout=left-asymmetric-6
r6-ra6-5|5|1800||--level=6 --metadata=1.2 --chunk=8 --layout=right-asymmetric-6
r6-ls6-6|6|1800||--level=6 --metadata=1.0 --chunk=8 --layout=left-symmetric-6
r6-rs6-5|5|1800||--level=6 --metadata=1.2 --chunk=16 --layout=right-symmetric-6
r6-pf6-5|5|1800||--level=6 --metadata=1.2 --chunk=16 --layout=parity-first-6
x-n2-2|2|1800||--level=10 --metadata=0.90 --chunk=8 --layout=n2
x-n2-4|4|1801|bits|--level=10 --metadata=1.2 --chunk=64 --layout=n2
x-n2-5|5|1813||--level=10 --metadata=1.1 --chunk=4 --layout=n2
x-n3-4|4|1800|bits|--level=10 --metadata=1.2 --chunk=16 --layout=n3
x-n3-5|5|1807||--level=10 --metadata=0.90 --chunk=4 --layout=n3
x-n4-6|6|1800||--level=10 --metadata=1.0 --chunk=8 --layout=n4
x-f2-2|2|1800||--level=10 --metadata=1.2 --chunk=16 --layout=f2
x-f2-3|3|1811||--level=10 --metadata=1.2 --chunk=8 --layout=f2
x-f2-4|4|1800|bits|--level=10 --metadata=0.90 --chunk=16 --layout=f2
x-f3-4|4|1801||--level=10 --metadata=1.2 --chunk=16 --layout=f3
x-f3-5|5|1800|bits|--level=10 --metadata=1.1 --chunk=8 --layout=f3
x-o2-3|3|1800||--level=10 --metadata=1.0 --chunk=8 --layout=o2
x-o2-4|4|1801|bits|--level=10 --metadata=1.2 --chunk=32 --layout=o2
x-o3-4|4|1807||--level=10 --metadata=1.2 --chunk=8 --layout=o3
x-n2f2-4|4|1801|layout 0x202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
x-n2f2-5|5|1800|layout 0x202|--level=10 --metadata=1.2 --chunk=16 --layout=n2
x-n2o2-4|4|1800|layout 0x10202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
x-n2o2-6|6|1800|layout 0x10202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
x-o1n2-3|3|1800|layout 0x10102|--level=10 --metadata=1.2 --chunk=16 --layout=n2
x-o1n2-5|5|1801|layout 0x10102|--level=10 --metadata=1.2 --chunk=8 --layout=n2
x-f2-old-4|4|1800|layout 0x20201|--level=10 --metadata=1.2 --chunk=8 --layout=f2
x-f2-old-5|5|1800|layout 0x20201|--level=10 --metadata=1.2 --chunk=8 --layout=f2
x-f2-set-7|7|1800|layout 0x40201|--level=10 --metadata=1.2 --chunk=16 --layout=f2
x-f3-set-7|7|1800|layout 0x40301|--level=10 --metadata=1.2 --chunk=8 --layout=f3
x-o2-set-5|5|1801|layout 0x50201|--level=10 --metadata=1.2 --chunk=8 --layout=o2
x-o2-old-6|6|1800|layout 0x30201|--level=10 --metadata=1.2 --chunk=8 --layout=o2
x-n2f2-set-8|8|1800|layout 0x40202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
x-n2f2-one-7|7|1800|layout 0x40202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
no-n2o2-5|5|1800|refused 0x10202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
no-n2o2-7|7|1800|refused 0x10202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
no-n2f2-set-9|9|1800|refused 0x40202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
no-n2f2-old-5|5|1800|refused 0x20202|--level=10 --metadata=1.2 --chunk=8 --layout=n2
END
}
