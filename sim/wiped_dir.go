package sim

import (
	"fmt"
	"slices"
	"strings"

	"odradek/core/image"
	"odradek/core/stream"
)

// The second log directory of a node comes back empty while the node is down, when the others can do without what it held. The first one has the metadata log.

// losesDir ends a node whose second directory is to be replaced.
func (n *node) losesDir() bool {
	if n.p == nil || !n.p.booted || n.w.opt.Dirs < 2 {
		return false
	}
	n.dirBy = n.w.now + diskWait
	n.losePower()
	n.down("and waits for another directory")
	return true
}

// awaitsDir reports whether the node starts later, for want of a directory. If the others cannot do without the old one for too long, or faults have stopped, it keeps that.
func (n *node) awaitsDir() bool {
	w := n.w
	switch {
	case n.dirBy == 0:
		return false
	case w.phase != phaseSafety || w.now >= n.dirBy:
	case w.sparesCopies(n) && w.sparesDir(n):
		n.replaceDir()
	default:
		w.after(diskLook, event{kind: evStart, who: n.id, life: n.life})
		return true
	}
	n.dirBy = 0
	return false
}

// sparesDir reports whether the others have all that a node's second directory has promised: its broker is fenced, and in no ISR or ELR of what lies there.
func (w *World) sparesDir(n *node) bool {
	if w.newest == nil || w.undecided() || n.stillHeard() {
		return false
	}
	if b, known := w.newest.Broker(n.self()); !known || !b.Fenced {
		return false
	}
	for t := range w.newest.Topics() {
		for i, p := range t.Partitions {
			promised := slices.Contains(p.Isr, n.self()) || slices.Contains(p.Elr, n.self()) || slices.Contains(p.LastKnownElr, n.self())
			if promised && n.inDir(t, i, 1) {
				return false
			}
		}
	}
	return true
}

// inDir reports whether a partition lies in a log directory of a node, on its platter, or may.
func (n *node) inDir(t *image.Topic, partition, dir int) bool {
	name := fmt.Sprintf("%s-%d", t.Name, partition)
	for i := range n.w.opt.Dirs {
		if _, ok := n.disk.DurableNames(n.rootOf(i) + name); ok {
			return i == dir
		}
	}
	return true
}

func (n *node) replaceDir() {
	for t := range n.w.newest.Topics() {
		for i := range t.Partitions {
			if id := (stream.ID{Topic: t.ID, Partition: int32(i)}); n.inDir(t, i, 1) {
				n.replicas = slices.DeleteFunc(n.replicas, func(r *replicaLog) bool { return r.id == id })
				delete(n.watched, id)
				delete(n.epochs, id)
			}
		}
	}
	n.replaced = true
	if err := n.disk.Wipe(strings.TrimSuffix(n.rootOf(1), "/")); err != nil {
		n.w.fail(Crash, "wipe", err.Error())
		return
	}
	n.w.note(n.name, "has an empty directory")
	n.w.reach(markDirReplaced)
}
