package sim

import (
	"fmt"
	"strings"

	"odradek/core"
	"odradek/core/stream"
	"odradek/disk/vfs"
	"odradek/sim/simdisk"
	"odradek/sim/simnet"
)

// fullAt is the free space in bytes below which the core takes no records; near it a large batch is refused and a small one behind it is not.
const fullAt = 16 << 20

// ailments are what faults have done, or are about to do, to a node. They end with healing; those of a process end with it.
type ailments struct {
	// The power fails just before file operation cutAt; 0: it does not.
	cutAt int
	// armed are the kinds of which the next write or fsync fails, whose path begins with failIn.
	armed  [faultKinds]bool
	failIn string
	keep   Time // a share of a second: how much of a short write is written

	slowUntil Time
	slowBy    Time    // factor
	roomAt    Time    // when the quota goes
	met       bool    // a write has met it
	shut      [2]Time // by simnet.Side of its clients' connections that receives: nothing reaches it before

	awaitsLoss []awaited // what falls with the next power loss

	recovers bool // what is to be cut is being read: no read is made wrong

	drift     int64 // of the wall clock, in a million
	driftFrom Time
	driftEnds Time
}

// The cures: what evMend ends.
const (
	mendQuota uint64 = iota
	mendDrift
)

// mend ends what was to last for a while.
func (n *node) mend(what uint64) {
	switch {
	case what == mendQuota && n.w.now >= n.roomAt && n.roomAt > 0:
		n.disk.SetQuota(-1)
		n.roomAt = 0
		n.tellRoom()
	case what == mendDrift && n.w.now >= n.driftEnds:
		n.settleDrift()
		n.drift = 0
	}
}

// tellRoom tells a process that it has room again, as the host's poll does.
func (n *node) tellRoom() {
	switch {
	case n.p == nil: // the next one looks for itself
	case !n.p.ready:
		n.w.after(50*Millisecond, event{kind: evRoom, who: n.id, life: n.life})
	default:
		for i := range n.p.dirs {
			n.tell(lane{kind: core.EvSpace}, core.Event{Kind: core.EvSpace, Dir: stream.DirID(i), Free: 1 << 40})
		}
	}
}

// armDisk has the next write or fsync in a directory fail.
func (n *node) armDisk(k faultKind, dir string, keep Time) {
	n.armed[k], n.failIn, n.keep = n.p != nil, dir, keep
}

// markNext notes what a start makes of a segment that began before what is before it was durable.
func (n *node) markNext(op simdisk.Op) {
	if n.p == nil || n.p.ready || !strings.HasSuffix(op.Path, ".log.next") || strings.Contains(op.Path, "-delete/") {
		return
	}
	switch op.Kind {
	case simdisk.OpRename:
		n.w.reach(markNextTaken)
	case simdisk.OpRemove:
		n.w.reach(markNextDropped)
	}
}

// before is the disk's hook: faults strike between any two file operations.
func (n *node) before(op simdisk.Op) error {
	if n.cutAt > 0 && op.N >= n.cutAt {
		n.cutAt = 0
		if n.p != nil && !n.p.ready && (op.Kind == simdisk.OpWrite || op.Kind == simdisk.OpTruncate || op.Kind == simdisk.OpSyncData) {
			n.w.reach(markCutInRecovery)
		}
		n.w.struck(powerLossAt, n.name)
		n.w.note(n.name, fmt.Sprintf("before operation %d %s %s", op.N, op.Kind, op.Path))
		n.losePower()
		return nil
	}
	if !n.serving() {
		n.markNext(op)
		return nil
	}
	here := strings.HasPrefix(op.Path, n.failIn)
	switch {
	case n.armed[writeError] && (op.Kind == simdisk.OpWrite || changesNames(op.Kind)) && here:
		n.disarm(writeError)
		n.injected = op.Path
		return vfs.ErrIO
	case n.armed[shortWrite] && op.Kind == simdisk.OpWrite && here:
		n.disarm(shortWrite)
		n.injected = op.Path
		n.disk.FailWrite(op.Path, op.Len*int64(n.keep)/int64(Second))
	case n.armed[syncError] && ((op.Kind == simdisk.OpSyncData || op.Kind == simdisk.OpSyncDir) && here || op.Kind == simdisk.OpSyncAll):
		n.disarm(syncError)
		n.synced, n.injected = true, op.Path
		return vfs.ErrIO
	}
	return nil
}

// changesNames reports whether an operation changes what a folder holds.
func changesNames(kind simdisk.OpKind) bool {
	switch kind {
	case simdisk.OpCreate, simdisk.OpMkdir, simdisk.OpRename, simdisk.OpRemove, simdisk.OpTruncate:
		return true
	}
	return false
}

func (n *node) disarm(k faultKind) {
	n.armed[k] = false
	n.w.struck(k, n.name)
}

// fill has the core hear that a directory is nearly full, and after a while that it is not.
func (n *node) fill(b *blow) bool {
	if !n.serving() {
		return false
	}
	dir := stream.DirID(b.small % n.w.opt.Dirs)
	n.tell(lane{kind: core.EvSpace}, core.Event{Kind: core.EvSpace, Dir: dir, Free: fullAt + int64(b.small)*30})
	relief := core.Event{Kind: core.EvSpace, Dir: dir, Free: 1 << 40}
	n.w.after(b.size+Second, event{kind: evCore, who: n.id, life: n.life, core: &relief})
	return true
}

// limit gives the disk room for so many bytes more, for a while.
func (n *node) limit(room int64, d Time) {
	n.disk.SetQuota(n.disk.Used() + room)
	n.met = false
	n.roomAt = max(n.roomAt, n.w.now+d)
	n.w.after(d, event{kind: evMend, who: n.id, n: mendQuota})
}

// full counts a quota once a write has met it.
func (n *node) full() {
	if !n.met {
		n.met = true
		n.w.struck(noSpace, n.name)
	}
}

// runSkewed has the wall clock run too fast or too slow, in a million, for a while.
func (n *node) runSkewed(drift int64, d Time) {
	n.settleDrift()
	n.drift = drift
	n.driftEnds = n.w.now + d
	n.w.after(d, event{kind: evMend, who: n.id, n: mendDrift})
}

func (n *node) settleDrift() {
	n.skew += n.drifted()
	n.driftFrom = n.w.now
}

// cutOff has nothing reach the node, or nothing its clients, for a while.
func (n *node) cutOff(clients bool, d Time) {
	side := simnet.Server
	if clients {
		side = simnet.Client
	}
	n.shut[side] = max(n.shut[side], n.w.now+d)
	n.w.holdUp()
}

// heals ends all ailments.
func (n *node) heals() {
	n.settleDrift()
	n.ailments = ailments{driftFrom: n.w.now}
	n.disk.SetQuota(-1)
}
