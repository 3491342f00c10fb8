package sim

import (
	"odradek/core"
)

// checkDeleted looks at segments that go.
func (n *node) checkDeleted(op *core.DiskOp, o *watched) {
	if !op.All {
		n.w.reach(markRetained)
	}
}
