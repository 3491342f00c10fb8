package sim

import (
	"fmt"
	"strings"

	"odradek/core"
	"odradek/core/record"
	"odradek/sim/simnet"
)

// NodeOptions are one node's.
type NodeOptions struct {
	Voter, Broker bool
	SkewMs        int64
}

func (o *NodeOptions) line() string {
	return fmt.Sprintf("roles=%s skew=%dms", o.roles(), o.SkewMs)
}

func (o *NodeOptions) roles() string {
	var roles []string
	if o.Broker {
		roles = append(roles, "broker")
	}
	if o.Voter {
		roles = append(roles, "controller")
	}
	return strings.Join(roles, ",")
}

// loneAddress is where clients reach the node of a world that has one.
const loneAddress = "odradek:9092"

// found makes the machines, all with empty disks, or with what kafka-storage format leaves there.
func (w *World) found() {
	for i := range w.opt.Nodes {
		n := newNode(w, int32(i))
		if len(w.opt.Nodes) > 1 && !w.opt.Eligible {
			n.format()
		}
		w.nodes = append(w.nodes, n)
		w.cuts = append(w.cuts, make([]Time, len(w.opt.Nodes)))
	}
	if len(w.nodes) > 1 {
		ids := w.source(forCluster)
		var id record.UUID
		ids.Bytes(id[:])
		w.cluster = id.String()
	}
}

// alone reports whether the world has one node, which is everything in one.
func (w *World) alone() bool { return len(w.nodes) == 1 }

// address is where clients and brokers reach the node, or where controllers do.
func (n *node) address(control bool) string {
	switch {
	case n.w.alone():
		return loneAddress
	case control:
		return n.name + ":9093"
	}
	return n.name + ":9092"
}

func listenerName(control bool) string {
	if control {
		return "CONTROLLER"
	}
	return "PLAINTEXT"
}

// listens returns the node that an address leads to, and whether to its controller; nil if there is none.
func (w *World) listens(addr string) (_ *node, control bool) {
	for i, n := range w.nodes {
		o := &w.opt.Nodes[i]
		switch {
		case o.Broker && n.address(false) == addr:
			return n, false
		case o.Voter && n.address(true) == addr:
			return n, true
		}
	}
	return nil, false
}

// bootstrap is what clients know of the cluster.
func (w *World) bootstrap() (list []string) {
	for i, n := range w.nodes {
		if w.opt.Nodes[i].Broker {
			list = append(list, n.address(false))
		}
	}
	return list
}

// voters are the nodes of the metadata quorum.
func (w *World) voters() (list []*node) {
	for i, n := range w.nodes {
		if w.opt.Nodes[i].Voter {
			list = append(list, n)
		}
	}
	return list
}

// identity is what a node's configuration says that no other's does.
func (n *node) identity() []core.KeyValue {
	list := []core.KeyValue{{Key: "node.id", Value: fmt.Sprint(n.self())}}
	if n.w.alone() {
		return list
	}
	o := &n.w.opt.Nodes[n.id]
	var voters, listeners []string
	for _, v := range n.w.voters() {
		voters = append(voters, fmt.Sprintf("%d@%s", v.self(), v.address(true)))
	}
	if o.Broker {
		listeners = append(listeners, "PLAINTEXT://"+n.address(false))
	}
	if o.Voter {
		listeners = append(listeners, "CONTROLLER://"+n.address(true))
	}
	return append(list, core.KeyValue{Key: "process.roles", Value: o.roles()}, core.KeyValue{Key: "controller.quorum.voters", Value: strings.Join(voters, ",")},
		core.KeyValue{Key: "listeners", Value: strings.Join(listeners, ",")}, core.KeyValue{Key: "controller.listener.names", Value: "CONTROLLER"})
}

// heldUp is until when nothing reaches a side of a connection: because its node is cut off, or the way between two nodes is.
func (ch *channel) heldUp(to simnet.Side) Time {
	until := ch.node.shut[to]
	if ch.from != nil {
		until = max(until, ch.from.shut[to.Other()])
		if to == simnet.Server {
			until = max(until, ch.w.cuts[ch.from.id][ch.node.id])
		} else {
			until = max(until, ch.w.cuts[ch.node.id][ch.from.id])
		}
	}
	return until
}

// holdUp has open connections obey the cuts that there are.
func (w *World) holdUp() {
	for _, ch := range w.openLinks() {
		ch.net.Stall(simnet.Server, int64(ch.heldUp(simnet.Server)))
		ch.net.Stall(simnet.Client, int64(ch.heldUp(simnet.Client)))
	}
}

// orphaned reports whether the process that dialled has ended.
func (ch *channel) orphaned() bool { return ch.from != nil && ch.fromLife != ch.from.life }

// sleeps is until when the node that dialled does nothing.
func (ch *channel) sleeps() Time {
	if ch.from == nil {
		return 0
	}
	return ch.from.pausedUntil
}
