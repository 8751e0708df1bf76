# SPDX-License-Identifier: GPL-2.0-or-later
# Runs one phase of one scenario: the function phase_N of the scenario's script.
. /guest/lib.sh
. "/guest/scenarios/$SCENARIO.sh"
[ "$PHASE" -gt 1 ] && open_slices
"phase_$PHASE" || fail "phase_$PHASE ended with status $?"
save_state
echo "@@end phase $PHASE"
