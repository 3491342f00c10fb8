package sim

import (
	"errors"
	"fmt"

	"odradek/core"
	"odradek/core/config"
	"odradek/core/prng"
	"odradek/core/query"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/disk/segment"
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
	life        uint32
	powers      int  // power losses so far
	pausedUntil Time // the process does nothing before
	epochs      map[stream.ID]reign

	// Set by faults. The power fails just before file operation cutAt; 0: it does not.
	cutAt     int
	failWrite bool
	failSync  bool
	cut       bool // the power failed within the present event
	synced    bool // the process has failed an fsync: a page cache that lies must not outlive it
}

// reign is the last leader epoch in which a stream was appended to, and by which process.
type reign struct {
	epoch record.Epoch
	life  uint32
}

// process is one run of the node's program.
type process struct {
	core    *core.Core
	fx      core.Effects
	started Time
	dir     *segment.Dir
	pool    *pool
	prepare record.Preparer
	view    query.View
	env     *wire.Env
	ready   bool
	conns   map[core.ConnID]*serverConn
	last    core.ConnID
	armed   Time // of the evTimer that is coming; 0: none

	// Of the disk, see host_disk.go.
	queue   []core.DiskOp
	writing bool // an evWrite is coming
	blocked bool // the first of queue waits for the round in flight
	stores  []core.Store
	storing bool
	jobs    []core.Job
	round   *segment.Round
	steps   []int // of the round, still to be made
	syncing bool  // an evSyncBegin is coming
	told    map[lane]Time
	changes []segment.FileChange
}

func newNode(w *World, id int32) *node {
	seed := w.opt.Seed
	n := &node{w: w, id: id, name: fmt.Sprintf("n%d", id), disk: simdisk.New(), life: 1, epochs: map[stream.ID]reign{}, skew: record.UnixMillis(w.opt.SkewMs),
		disks: source(seed, forDisk+purpose(id)), rng: source(seed, forNode+purpose(id)), ids: source(seed, forIDs+purpose(id))}
	n.disk.Before = n.before
	return n
}

// before is the disk's hook: faults strike between any two file operations.
func (n *node) before(op simdisk.Op) error {
	switch {
	case n.cutAt > 0 && op.N >= n.cutAt:
		n.cutAt = 0
		n.w.struck(powerLossAt, n.name)
		n.w.note(n.name, fmt.Sprintf("before operation %d %s %s", op.N, op.Kind, op.Path))
		n.losePower()
	case n.failWrite && op.Kind == simdisk.OpWrite && n.serving():
		n.failWrite = false
		n.w.struck(writeError, n.name)
		return vfs.ErrIO
	case n.failSync && op.Kind == simdisk.OpSyncData && n.serving():
		n.failSync, n.synced = false, true
		n.w.struck(syncError, n.name)
		return vfs.ErrIO
	}
	return nil
}

func (n *node) serving() bool { return n.p != nil && n.p.ready }

// losePower takes the power from the disk. The process has ended from here on; the present event notices at its end.
func (n *node) losePower() {
	n.disk.PowerLoss(n.disks.IntN)
	n.powers++
	n.cut = true
	n.w.ledger.powerLost()
}

func (n *node) wall() record.UnixMillis {
	return wallBase + record.UnixMillis(n.w.now/Millisecond) + n.skew
}

func (n *node) mono() core.Instant { return core.Instant(n.w.now - n.p.started) }

// handle lets an event of the node happen, unless its process has ended; while the process is paused, later. The event keeps its sequence number, so that
// what waits happens in the order in which it would have.
func (n *node) handle(e *event) {
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
		n.start()
	case evCore:
		n.step(e.core)
	case evTimer:
		if p := n.p; p.armed <= e.at { // else another one comes before it
			n.timer()
		}
	case evWrite:
		n.write()
	case evSyncBegin:
		n.beginSync()
	case evSyncStep:
		n.syncStep()
	case evSyncEnd:
		n.endSync()
	case evStore:
		n.store()
	case evJob:
		n.job(core.JobID(e.n))
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
	n.cut, n.failWrite, n.failSync = false, false, false
	n.w.note(n.name, "down "+why)
	if n.synced { // what the failed fsync covered is gone from the platter while the page cache shows it: only a machine that restarts can be trusted
		n.synced = false
		n.losePower()
		n.cut = false
	}
	n.life++
	n.pausedUntil = 0
	n.p = nil
	n.w.breakLinks(n)
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
		if n.stop(); n.cut {
			n.down("without power while stopping")
		} else {
			n.disk.Crash()
			n.down("stopped")
		}
	default:
		n.disk.Crash()
		n.down("crashed")
	}
	return true
}

// heal ends all faults, with a last power loss.
func (n *node) heal() {
	n.cutAt, n.failWrite, n.failSync = 0, false, false
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

// start begins a process: it identifies the directory and recovers it. The power may fail at any file operation in here.
func (n *node) start() {
	n.life++
	p := &process{core: core.New(), started: n.w.now, conns: map[core.ConnID]*serverConn{}, told: map[lane]Time{}}
	p.pool = newPool(&n.rng)
	p.prepare.Codec = n.w.codec
	n.p = p
	if n.w.phase == phaseSafety && n.w.opt.Faults[powerLossAt] > 0 {
		rng := &n.w.faults[powerLossAt]
		if at := rng.IntN(60); rng.IntN(3) == 0 {
			n.cutAt = n.disk.Ops() + 1 + at
		}
	}
	n.w.note(n.name, "starts")
	events, err := n.recoverDir()
	if n.cut {
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

// recoverDir returns Boot and then, in drawn order, Opened for each stream.
func (n *node) recoverDir() ([]core.Event, error) {
	p := n.p
	p.dir = segment.OpenDirWith(n.disk.Mount(), 0, segment.Options{IndexInterval: 300, IndexBytes: 1000}) // small, so that indexes get full
	if _, err := p.dir.Lock(); err != nil {
		return nil, err
	}
	boot, err := n.identify()
	if err != nil {
		return nil, err
	}
	var entries []config.Entry
	for _, kv := range boot.Config {
		entries = append(entries, config.Entry{Key: kv.Key, Value: kv.Value})
	}
	cfg, err := config.ParseNode(entries)
	if err != nil {
		return nil, err
	}
	if boot.Snapshots, boot.Bootstrap, err = p.dir.Snapshots(); err != nil {
		return nil, err
	}
	folders, err := p.dir.Folders()
	if err != nil {
		return nil, err
	}
	events := []core.Event{{Kind: core.EvBoot, Boot: boot}}
	for _, f := range folders {
		log, opened, err := p.dir.Recover(f)
		if err != nil {
			return nil, err
		}
		if log == nil {
			continue
		}
		if err := p.dir.Add(log); err != nil {
			return nil, err
		}
		if log.ID() == stream.Metadata {
			boot.Metadata = *opened
			continue
		}
		events = append(events, core.Event{Kind: core.EvOpened, Stream: log.ID(), Opened: opened})
	}
	for i := len(events) - 1; i > 1; i-- {
		j := 1 + n.rng.IntN(i)
		events[i], events[j] = events[j], events[i]
	}
	if boot.QuorumState, err = p.dir.ReadSlot(core.QuorumStateSlot.Name); err != nil && !errors.Is(err, vfs.ErrNotExist) {
		return nil, err
	}
	boot.Streams = len(events) - 1
	p.view = query.View{Self: boot.NodeID, ClusterID: boot.ClusterID, Config: cfg}
	return events, nil
}

// identify reads meta.properties, or writes it on the first start.
func (n *node) identify() (*core.Boot, error) {
	boot := &core.Boot{NodeID: record.NodeID(n.id + 1), Incarnation: n.newUUID()}
	n.ids.Bytes(boot.Seed[:])
	props, err := n.p.dir.ReadProperties()
	if errors.Is(err, vfs.ErrNotExist) {
		props = segment.Properties{ClusterID: n.newUUID().String(), NodeID: boot.NodeID, DirectoryID: n.newUUID()}
		err = n.p.dir.WriteProperties(props)
	}
	if err != nil {
		return nil, err
	}
	boot.ClusterID = props.ClusterID
	boot.Config = append([]core.KeyValue{{Key: "node.id", Value: fmt.Sprint(boot.NodeID)}}, n.w.opt.Node...)
	free, err := n.p.dir.FS().Free()
	boot.Dirs = []core.Dir{{ID: props.DirectoryID, Path: "disk", Free: free}}
	return boot, err
}

// newUUID draws an id that Kafka does not reserve.
func (n *node) newUUID() (id record.UUID) {
	for id[0] == 0 {
		n.ids.Bytes(id[:])
	}
	return id
}

// stop is a clean end: what is queued is carried out and everything written is synced, relaxed topics too. Requests that the core has not seen are lost with
// their connections. The power may still fail in here.
func (n *node) stop() {
	p := n.p
	for n.endRound(); len(p.queue) > 0; n.endRound() {
		ops := p.queue
		done, _ := p.dir.Write(ops, nil)
		p.queue = ops[done:]
		if n.cut || p.dir.Err() != nil {
			return
		}
	}
	p.dir.WantAll()
	if p.round = p.dir.BeginSync(); p.round != nil {
		p.round.Run()
		p.dir.EndSync(p.round, nil)
	}
	if n.cut || p.dir.Err() != nil {
		return
	}
	if err := p.dir.CloseFiles(); err != nil && !n.cut {
		n.w.fail(Crash, "stop", err.Error())
		return
	}
	n.w.ledger.stopped()
}

// endRound ends the round in flight at once.
func (n *node) endRound() {
	p := n.p
	if p.round == nil {
		return
	}
	for _, i := range p.steps {
		p.round.Step(i)
	}
	p.dir.EndSync(p.round, nil)
	p.round, p.steps = nil, nil
}
