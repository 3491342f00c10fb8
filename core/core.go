// Package core is one node of Odradek as a pure state machine: Step takes an event, changes memory and appends effects. It never waits, calls back
// or fails. The same Core runs behind real disks and sockets and inside the simulator.
//
// The root routes: events to machines (partition, producer, quorum, controller, fetch), and what they report to one another. Machines do not know
// each other. What needs the disk waits in here: an acknowledgement leaves only after the Durable or Stored event that makes it true.
package core

import (
	"fmt"

	"odradek/core/config"
	"odradek/core/fetch"
	"odradek/core/image"
	"odradek/core/partition"
	"odradek/core/prng"
	"odradek/core/producer"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/core/timer"
)

// Core is one node. Not safe for concurrent use: one Step at a time, in one order.
type Core struct {
	cfg         *config.Node
	node        *config.Node // cfg as the committed image changes it; see nodeConfig
	clusterID   string
	self        record.NodeID
	incarnation record.UUID
	random      prng.Source
	dirs        []dirState
	absent      []string // paths of directories that were given up before this incarnation began
	halted      bool

	now Now      // of the running Step
	fx  *Effects // of the running Step

	frame record.FrameID // that the answer which the running Step takes lies in

	meta     metadata
	snaps    snapshots
	replicas map[stream.ID]*replica
	opened   map[stream.ID]*Opened      // recovered, not yet taken up
	offline  map[stream.ID]bool         // partitions whose directory is missing or failed before they were made
	placed   map[stream.ID]stream.DirID // partitions that have a directory and are not made yet
	unopened int                        // Opened events still to come
	takeUps  []stream.ID                // partitions whose assignment must be looked at; worked off in slices
	retained []stream.ID                // partitions that retention has still to look at; worked off in slices
	asking   bool                       // a pass of checkpoints has partitions left to look at
	storing  bool                       // a checkpoint file is to be built
	stop     stopStage

	flushes   map[uint64]stream.ID // partitions with a flush due, by timer
	produces  map[uint64]*pendingProduce
	consumers audience
	followers audience
	ctl       controlling
	life      life
	forwards  map[uint64]*forwarded
	awaits    []awaited           // Metadata requests whose topics are made and not seen here yet
	peers     map[uint64]*Request // of other nodes' quorum machines, by token; a connection has one such request at a time
	calls     map[CallID]*calling
	follow    []*metadataFetch // parked
	reads     map[JobID]*pendingRead
	fetchers  map[fetcherKey]*fetcher
	fetching  []*fetcher          // whose fetch is due
	resting   map[uint64]*fetcher // by timer
	cutting   []stream.ID         // cuts that wait for files
	altering  altering
	hurry     map[record.NodeID]Instant // followers whose fetches wait briefly, until then
	producing producerIDs
	promised  map[stream.ID]record.Offset // log starts in their directory's checkpoint, or about to be
	deletings []*deleting
	timers    timer.Queue[timerKey]
	facts     partition.Facts // of onWritten and onDurable, used again
	lastID    uint64          // of pending produces, waiters, jobs
}

// dirState is one log directory.
type dirState struct {
	id     record.UUID
	path   string
	total  int64 // bytes of its file system
	free   int64 // bytes; debited by each append, set right by Space
	full   bool  // operators were told
	failed bool
	marked bool  // the clean mark is stored: nothing follows
	clean  bool  // the last stop was clean
	left   int64 // the broker epoch that it was the stop of

	// Invariant: replicas[rep.place] is the id of rep, for every replica of the directory.
	replicas []stream.ID
	coming   int // partitions placed here and not made yet
	pass     pass
	given    int64 // bytes appended since a pass began
	files    [checkpointFiles]checkpoint
	cleared  map[string][checkpointFiles]uint64 // topics that went: the versions in which their entries are gone
	deferred []stream.ID                        // new partitions that wait for a cleared entry
}

// replica is one partition's machines together.
type replica struct {
	*partition.Partition
	producers producer.State
	flushing  bool                // a flush.ms timer is set
	readEnd   record.Offset       // as the waiters and sessions last heard
	heardMark record.Offset       // high watermark, too
	copyEnd   record.Offset       // written end, as the followers' waiters and sessions last heard
	copying   copying             // from the leader, where this replica follows
	configs   []image.ConfigEntry // of its topic, as settings were read from
	defaults  *config.Node        // likewise

	place         int           // in its directory's replicas
	point         record.Offset // recovery point: everything below is on disk for good and needs no reading. Invariant: not beyond lost[0].From
	floor         record.Offset // high watermark that the last incarnation had stored: it was durable once
	checkpointing bool          // a Checkpoint is under way
	wishes        bool          // in altering.wishes
	listed        fileSet       // checkpoint files that may have an entry of it
	cut           *cut          // a cut that waits for its directory's files
	first         *record.Batch // what a cut under way makes room for
	cutAll        bool          // the cut under way leaves nothing
	again         bool          // the image has changed during a cut: it is to be taken up afterwards
	told          toldDir
	lost          []OffsetRange // offsets whose bytes are damaged; rising, none wholly below the log start
}

// timerKey names a deadline.
type timerKey struct {
	kind timerKind
	id   uint64
}

type timerKind uint8

const (
	timerProduce     timerKind = iota + 1 // a produce's timeout.ms
	timerFetch                            // a parked fetch's max_wait_ms
	timerReply                            // a reply parked on the metadata log
	timerRetention                        // the next look for segments to delete
	timerFlush                            // flush.ms of a relaxed partition
	timerSnapshot                         // the next snapshot of the metadata by time
	timerPoints                           // the next pass of checkpoints
	timerMarks                            // the next look for high watermarks that moved
	timerQuorum                           // what the metadata quorum waits for
	timerFollow                           // a parked fetch of metadata
	timerLife                             // the next registration or heartbeat
	timerDirectories                      // directories are told again
	timerLeave                            // a stop waits no longer for others to lead
	timerSessions                         // a broker's session is over
	timerRebalance                        // leaderships go back to first replicas
	timerForward                          // a forwarded request is sent again
	timerAutoCreated                      // topics are made and not seen here
	timerCopy                             // a fetcher's next try
	timerISR                              // the next look for followers that lag
	timerDelete                           // a DeleteRecords has waited for its replicas
	timerAlter                            // an AlterPartition is to be sent again
)

// New returns a core that waits for its Boot.
func New() *Core {
	return &Core{
		replicas: map[stream.ID]*replica{}, opened: map[stream.ID]*Opened{},
		flushes: map[uint64]stream.ID{}, produces: map[uint64]*pendingProduce{}, reads: map[JobID]*pendingRead{},
		snaps: snapshots{serving: map[JobID]servedSnapshot{}},
	}
}

// workPerStep bounds what one Step does beyond its event: records replayed, partitions taken up.
const workPerStep = 256

// Step handles one event. It changes memory and appends to fx, nothing else. now must not fall from Step to Step.
func (c *Core) Step(now Now, ev *Event, fx *Effects) {
	if now.Mono < c.now.Mono {
		panic(fmt.Sprintf("invariant: monotonic time fell from %d to %d", c.now.Mono, now.Mono))
	}
	c.now, c.fx = now, fx
	defer func() { c.fx = nil }()
	if c.halted {
		return
	}
	switch ev.Kind {
	case EvBoot:
		c.onBoot(ev.Boot)
	case EvOpened:
		c.onOpened(ev.Stream, ev.Opened)
	case EvRequest:
		if c.stop == serving { // else its connection is being closed
			c.onRequest(ev.Request)
		}
	case EvWritten:
		c.onWritten(ev.Stream, ev.Generation, ev.UpTo)
	case EvDurable:
		c.onDurable(ev.Stream, ev.Generation, ev.UpTo)
	case EvStored:
		c.onStored(ev.Slot, ev.Version)
	case EvLocated:
		c.onLocated(ev.Job, ev.Located)
	case EvLoaded:
		c.onLoaded(ev.Job, ev.Loaded)
	case EvSpace:
		c.onSpace(&c.dirs[ev.Dir], ev.Free)
	case EvIOFailed:
		c.onIOFailed(ev.Dir, ev.Stream, ev.Reason)
	case EvConnClosed:
		c.onConnClosed(ev.Conn)
	case EvTimeout:
		c.onTimeout()
	case EvCheckpointed:
		c.onCheckpointed(ev.Stream, ev.Generation, ev.UpTo)
	case EvStop:
		c.onStop()
	case EvLeave:
		c.onLeave()
	case EvAnswered:
		c.onAnswered(ev)
	case EvTruncated:
		c.onTruncated(ev.Stream, ev.Generation, ev.Opened)
	default:
		panic(fmt.Sprintf("invariant: event of unknown kind %d", ev.Kind))
	}
	c.work()
}

// Deadline returns when the next empty Timeout event is due: now while a slice of longer work is left.
func (c *Core) Deadline() (Instant, bool) {
	if !c.halted && c.hasWork() {
		return c.now.Mono, true
	}
	at, ok := c.timers.Next()
	return Instant(at), ok && !c.halted && c.stop == serving
}

// FetchSessions returns counters of the fetch sessions.
func (c *Core) FetchSessions() fetch.SessionStats { return c.consumers.sessions.Stats() }

func (c *Core) hasWork() bool {
	return len(c.meta.replay) > 0 || c.canApply() || (len(c.takeUps) > 0 && c.canTakeUp()) || len(c.retained) > 0 || c.asking || c.canStore() || c.buildingSnapshot() || c.mayAlter()
}

// work carries on with what is done in slices.
func (c *Core) work() {
	if c.halted {
		return
	}
	c.applySlice(workPerStep)
	c.replaySlice(workPerStep)
	c.maybeLead()
	c.takeUpSlice(workPerStep)
	c.hearRegistered()
	c.retainSlice(workPerStep)
	c.snapshotSlice()
	c.passSlice(checkpointsPerStep)
	c.storeSlice(workPerStep)
	c.fetchSlice()
	c.alterSlice()
	c.carryOnStopping()
}

// onTimeout fires what is due.
func (c *Core) onTimeout() {
	if c.stop != serving {
		return
	}
	for range workPerStep {
		key, ok := c.timers.Pop(int64(c.now.Mono))
		if !ok {
			return
		}
		switch key.kind {
		case timerProduce:
			c.produceTimedOut(key.id)
		case timerFetch:
			c.fetchDue(key.id)
		case timerReply:
			c.replyTimedOut(key.id)
		case timerRetention:
			c.retentionDue()
		case timerFlush:
			c.flushDue(key.id)
		case timerSnapshot:
			c.snapshotDue()
		case timerPoints:
			c.pointsDue()
		case timerMarks:
			c.marksDue()
		case timerQuorum:
			c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Timeout(now, f) })
		case timerFollow:
			c.metadataFetchDue(key.id)
		case timerDelete:
			c.deletingDue(key.id)
		case timerCopy:
			c.rested(key.id)
		case timerISR:
			c.membersDue()
		case timerAlter:
			c.altering.resting = false
		default:
			c.onClusterTimeout(key)
		}
	}
}

// onClusterTimeout fires what is due between broker and controller.
func (c *Core) onClusterTimeout(key timerKey) {
	switch key.kind {
	case timerLife:
		c.live()
	case timerDirectories:
		c.tellDirectories()
	case timerLeave:
		c.leaveDue()
	case timerSessions:
		c.sessionsDue()
	case timerRebalance:
		c.rebalanceDue()
	case timerForward:
		c.sendAgain(key.id)
	case timerAutoCreated:
		c.autoCreatedDue(key.id)
	}
}

func (c *Core) newID() uint64 {
	c.lastID++
	return c.lastID
}

// forever is a span in milliseconds from which on no deadline is set: nanoseconds would overflow.
const forever = (1 << 62) / 1_000_000

// after sets a deadline ms milliseconds from now.
func (c *Core) after(key timerKey, ms int64) {
	if ms < forever {
		c.timers.Set(key, int64(c.now.Mono)+ms*1_000_000)
	}
}

// halt gives the node up. Nothing more is promised or answered; a new incarnation starts from the disk.
func (c *Core) halt(reason string) {
	c.halted = true
	c.fx.Halts = append(c.fx.Halts, Halt{Scope: HaltNode, Reason: reason})
}

func (c *Core) reply(r Reply) { c.fx.Replies = append(c.fx.Replies, r) }
