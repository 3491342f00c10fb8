package sim

import (
	"errors"
	"fmt"

	"odradek/core"
	"odradek/core/prng"
	"odradek/core/query"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/vfs"
	"odradek/net/wire"
	"odradek/sim/simdisk"
)

// node is a machine: a disk that outlives processes, and the process that runs on it, if one does.
type node struct {
	w     *World
	id    int32
	name  string
	disk  *simdisk.Disk
	disks prng.Source // what a power loss keeps
	rng   prng.Source // delays and groupings of the host
	ids   prng.Source
	skew  record.UnixMillis
	p     *process // nil: none runs
	// life counts starts and ends of processes. Events carry it: what was meant for a process that has ended does not happen.
	life         uint32
	powers       int  // power losses so far
	pausedUntil  Time // the process does nothing before
	epochs       map[stream.ID]reign
	terms        map[stream.ID]term // as they were published
	nextProducer record.ProducerID
	watched      map[stream.ID]*watched
	ended        bool // it has stopped in order at the end of the run
	diskBy       Time // until then it waits for an empty disk; 0: it does not
	dirBy        Time // until then for an empty second log directory
	replaced     bool // a disk or a directory of it came back empty
	log          metaLog
	replicas     []*replicaLog
	spoiled      map[string]bool // files that rot has hit

	ailments
	injected string // the path of an operation that was made to fail; "": none that was not looked for yet
	cut      bool   // the power failed within the present event
	synced   bool   // the process has failed an fsync: a page cache that lies must not outlive it
}

// reign is the last leader epoch in which a stream was appended to, and by which process.
type reign struct {
	epoch record.Epoch
	life  uint32
}

// process is one run of the node's program.
type process struct {
	core        *core.Core
	incarnation record.UUID
	fx          core.Effects
	started     Time
	pool        *pool
	prepare     record.Preparer
	view        query.View
	env         *wire.Env
	booted      bool // the core knows who it is
	ready       bool
	streams     int // that recovery found
	// stopping: the core is told to stop. What becomes of requests that it has not seen does not matter: they are lost with their connections.
	stopping bool
	conns    map[core.ConnID]*serverConn
	last     core.ConnID
	loopback core.Loopback
	peers    []*peer
	armed    Time // of the evTimer that is coming; 0: none

	dirs  []*logDir             // by DirID
	where map[stream.ID]*logDir // of every stream that is, or was
	jobs  []core.Job
	told  map[lane]Time

	heardInSessions map[toldPart]toldEnds // in fetch sessions
}

func newNode(w *World, id int32) *node {
	n := &node{w: w, id: id, name: fmt.Sprintf("n%d", id), disk: simdisk.New(), life: 1, epochs: map[stream.ID]reign{}, terms: map[stream.ID]term{}, watched: map[stream.ID]*watched{}, spoiled: map[string]bool{}, skew: record.UnixMillis(w.opt.Nodes[id].SkewMs),
		disks: w.source(forDisk + purpose(id)), rng: w.source(forNode + purpose(id)), ids: source(w.opt.Seed, forIDs+purpose(id))}
	n.disk.Before, n.disk.Full, n.disk.Reads = n.before, n.full, n.mayRead
	return n
}

func (n *node) serving() bool { return n.p != nil && n.p.ready }

// self is the node's node.id.
func (n *node) self() record.NodeID { return record.NodeID(n.id + 1) }

// listening reports whether connections are accepted: by a broker when it serves, by a controller as soon as it runs.
func (n *node) listening(control bool) bool {
	return n.p != nil && !n.p.stopping && (n.p.ready || control && n.p.booted)
}

// losePower takes the power from the disk. The process has ended from here on; the present event notices at its end.
func (n *node) losePower() {
	n.disk.PowerLoss(n.disks.IntN)
	n.losesRelaxed()
	n.spoilAtLoss()
	n.powers++
	n.cut = true
	n.w.ledger.powerLost()
	n.w.past.powerLost()
}

func (n *node) wall() record.UnixMillis {
	return wallBase + record.UnixMillis(n.w.now/Millisecond) + n.skew + n.drifted()
}

// drifted is by how much the wall clock has gone wrong since its rate changed.
func (n *node) drifted() record.UnixMillis {
	return record.UnixMillis(int64((n.w.now-n.driftFrom)/Millisecond) * n.drift / 1_000_000)
}

func (n *node) mono() core.Instant { return core.Instant(n.w.now - n.p.started) }

// handle lets an event of the node happen, unless its process has ended; while the process is paused, later. The event keeps its sequence number, so that
// what waits happens in the order in which it would have.
func (n *node) handle(e *event) {
	if e.kind == evMend {
		n.mend(e.n)
		return
	}
	if e.life != n.life {
		return
	}
	if n.w.now < n.pausedUntil && e.kind != evStart {
		e.at = n.pausedUntil
		n.w.heap.push(*e)
		return
	}
	switch e.kind {
	case evStart:
		if !n.awaitsDisk() && !n.awaitsDir() {
			n.start()
		}
	case evCore:
		n.step(e.core)
	case evTimer:
		if p := n.p; p.armed <= e.at { // else another one comes before it
			n.timer()
		}
	case evRoom:
		n.tellRoom()
	case evPeer:
		n.p.peers[e.n].due(e.at)
	case evJob:
		n.job(core.JobID(e.n))
	default:
		n.p.dirs[e.n].handle(e.kind)
	}
	n.settle()
}

// settle ends the process if the power failed within the event that has just happened.
func (n *node) settle() {
	if n.cut {
		n.down("without power")
	}
}

// down ends the process, whatever it was doing, and has the next one started after a while. Its connections break.
func (n *node) down(why string) {
	n.cut, n.armed = false, [faultKinds]bool{}
	n.w.note(n.name, "down "+why)
	if n.p != nil && !n.p.ready {
		n.w.reach(markReplayedTwice)
	}
	if n.synced { // what the failed fsync covered is gone from the platter while the page cache shows it: only a machine that restarts can be trusted
		n.synced = false
		n.losePower()
		n.cut = false
	}
	if why != "stopped" {
		n.endsUnclean()
	}
	n.life++
	n.pausedUntil = 0
	n.p = nil
	n.w.breakLinks(n)
	if n.ended {
		return
	}
	n.w.after(Millisecond+Time(n.rng.N(uint64(n.w.opt.Downtime))), event{kind: evStart, who: n.id, life: n.life})
}

// strike lets a fault that ends the process happen; false if none runs.
func (n *node) strike(k faultKind) bool {
	if n.p == nil {
		return false
	}
	switch k {
	case powerLoss:
		n.losePower()
		n.down("without power")
	case cleanRestart:
		return n.beginStop()
	default:
		n.disk.Crash()
		n.down("crashed")
	}
	return true
}

// heal ends all faults, with a last power loss.
func (n *node) heal() {
	n.heals()
	n.pausedUntil = 0
	if n.p == nil {
		n.losePower() // of a machine that is starting: nothing of it may have relied on the page cache
		n.cut = false
		n.life++
		n.w.after(Millisecond, event{kind: evStart, who: n.id, life: n.life})
		return
	}
	n.strike(powerLoss)
}

// start begins a process: it identifies the directories and recovers them. The power may fail at any file operation in here.
func (n *node) start() {
	n.life++
	p := &process{core: core.New(), started: n.w.now, conns: map[core.ConnID]*serverConn{}, told: map[lane]Time{}, where: map[stream.ID]*logDir{}}
	p.pool = newPool(&n.rng)
	p.prepare.Codec = n.w.codec
	n.p = p
	if n.w.phase == phaseSafety && n.w.opt.Faults[powerLossAt] > 0 && n.w.cfg.Edit == nil {
		n.cutSoon()
	}
	n.w.note(n.name, "starts")
	events, err := n.recoverDirs()
	if n.cut {
		return
	}
	if errors.Is(err, vfs.ErrNoSpace) { // it cannot start, and says so
		n.disk.Crash()
		n.w.reach(markNoRoomAtStart)
		n.down("for want of space")
		return
	}
	if err != nil && n.w.refusal.refuses(err.Error()) {
		n.refused(err.Error())
		return
	}
	if err != nil {
		n.w.fail(Crash, "recovery", err.Error())
		return
	}
	boot := Time(0)
	for i := range events {
		at := n.w.opt.Core.draw(&n.rng)
		if i == 0 {
			boot = at
		}
		n.w.after(max(boot, at), event{kind: evCore, who: n.id, life: n.life, core: &events[i]})
	}
}

// cutSoon has the power fail before one of the next file operations, one time of three.
func (n *node) cutSoon() {
	rng := &n.w.faults[powerLossAt]
	drawn := rng.Drawn()
	if at := rng.IntN(60); rng.IntN(3) == 0 {
		n.w.decided(powerLossAt, FromStart, drawn)
		n.w.decisions.Faults[len(n.w.decisions.Faults)-1].Node = n.id
		n.cutAt = n.disk.Ops() + 1 + at
	}
}

// refused ends a process that does not serve what it found, and says why. Nobody starts it again.
func (n *node) refused(why string) {
	n.w.note(n.name, "halted: "+why)
	n.life++
	n.p = nil
}

// newUUID draws an id that Kafka does not reserve.
func (n *node) newUUID() (id record.UUID) {
	for id[0] == 0 {
		n.ids.Bytes(id[:])
	}
	return id
}
