package sim

import (
	"fmt"
	"slices"

	"odradek/core"
)

// checkGivenUp demands that the core gives up, in the step in which it hears of it, a directory in which a write or an fsync has failed: until the host is told it goes
// on writing there, and what it writes nobody may trust.
func (n *node) checkGivenUp(ev *core.Event) {
	if ev.Kind != core.EvIOFailed || n.p.dirs[ev.Dir].lost {
		return
	}
	if !slices.ContainsFunc(n.p.fx.Halts, func(h core.Halt) bool { return h.Scope == core.HaltDir && h.Dir == ev.Dir }) {
		n.w.fail(Correctness, "directory", fmt.Sprintf("log directory %d has failed, and is not given up: %s", ev.Dir, ev.Reason))
	}
}
