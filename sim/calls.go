package sim

import "odradek/core"

// callPeer brings a call to another node on its way.
func (n *node) callPeer(call *core.Call) {
	n.tell(lane{kind: core.EvAnswered}, core.Event{Kind: core.EvAnswered, Call: call.ID})
}
