// Package sim is the simulator: nodes with their disks, a network and clients on virtual time, all drawn from a seed. The node's core, its files, its protocol
// and the clients' machines are those of production; what is made here is only what lies between them, and it does no more for them than the contract of
// core/effects.go promises.
//
//	            ┌── heap of events by (time, sequence) ──┐
//	clients ── simnet ── wire.Conn ── core.Core ── segment.Dir ── simdisk
//	   └── ledger: what was acknowledged, what was read ──┘
//
// The same seed gives the same run, event for event: everything is drawn from generators of the seed, each with one purpose.
//
// A run has four phases. In the first, faults happen. Then they stop, the power fails a last time, and clients must get rid of all they have within a bound
// of virtual time. Then fresh readers read everything and the ledger is judged. Last, the node stops in order.
package sim

import (
	"fmt"
	"io"

	"odradek/core/image"
	"odradek/core/prng"
	"odradek/core/record"
	"odradek/core/stream"
	"odradek/linearizability"
	"odradek/net/codec"
	"odradek/sim/simnet"
)

// Outcome is how a run ended; it is the exit code of `odradek sim`.
type Outcome int

// The outcomes.
const (
	OK          Outcome = 0
	Crash       Outcome = 20 // an invariant of our own code broke
	Liveness    Outcome = 21 // the system did not get on after faults had stopped
	Correctness Outcome = 22 // an oracle found a broken promise
)

func (o Outcome) String() string {
	switch o {
	case OK:
		return "ok"
	case Crash:
		return "crash"
	case Liveness:
		return "liveness"
	}
	return "correctness"
}

// Result is what a run tells.
type Result struct {
	Seed    uint64
	Outcome Outcome
	Oracle  string // that failed
	Found   string // by it
	Digest  Digest
	Events  int
	Faults  [faultKinds]int
	Acked   int // records
	Read    int // records
	Virtual Time
	Marks   [markKinds]bool
	// Decisions are the faults that fell and the batches that were given; with them in Config.Edit the run is the same again.
	Decisions Edit
	Allowed   map[linearizability.Anomaly]int // what the history shows and its clients' settings allow
	Judged    int                             // operations of the history
}

// FaultCount is the number of faults of all kinds.
func (r *Result) FaultCount() int {
	n := 0
	for _, f := range r.Faults {
		n += f
	}
	return n
}

// Codec is what compresses; runs one after another may share one.
type Codec = codec.Codec

// NewCodec returns one.
func NewCodec() *Codec { return new(codec.Codec) }

// Config is what a run takes besides its options.
type Config struct {
	Options Options
	Trace   func(line []byte) // nil: not wanted. The line is valid until it returns
	Codec   *Codec            // nil: its own. Sharing one saves the making of encoders; it changes no result
	// BlackBox switches off the oracle that looks at the platter: what is left knows only what clients see.
	BlackBox bool
	// JudgesOnly silences every oracle of broken promises: besides crashes and standstills only the judges of histories, who know nothing of the simulator, can refuse a run.
	JudgesOnly bool
	// Panic lets a panic through, for a debugger.
	Panic bool

	// Draw takes Porcupine's page of a partition whose history cannot be explained; nil: it is not drawn.
	Draw func(partition string) (io.WriteCloser, error)
	// Edit says what faults fall and what clients give; nil: what the seed draws.
	Edit *Edit
	// Record takes the clients' history, however the run ends, and the times of its events; nil: not wanted.
	Record *Record

	broken broken // tests only
}

// broken are parts of the host that tests break, to see that the oracles notice.
type broken struct {
	durableUnsynced bool // rounds end without their system calls
	writtenDurable  bool // what is written is reported as durable
	releaseEarly    bool // frames are given back after the Step
	releaseNever    bool // frames of appended batches are not given back
}

// World is one run.
type World struct {
	cfg     Config
	opt     *Options
	now     Time
	seq     uint64
	heap    heap
	trace   trace
	network prng.Source
	cluster string // id of a cluster of several nodes
	nodes   []*node
	admins  []*admin
	quorum  quorumWatch
	parts   map[stream.ID]*partWatch
	newest  *image.Image // that anybody has published
	reigns  map[reigning]ruler
	cuts    [][]Time // by node that sends, by node that receives: nothing gets through before
	clients []*client
	links   []*channel

	lossyUntil  Time         // packets between nodes are lost before
	frozen      bool         // a minority of the voters stays cut off while the others must get on
	partLater   bool         // one is to be cut off from the leader alone, when there is one
	partWhole   bool         // the leader is to be cut off from all
	nextEpoch   record.Epoch // that somebody must come to lead in meanwhile
	steadyFrom  Time         // from when nobody else is to be elected meanwhile; 0: somebody may
	steadyEpoch record.Epoch
	faults      [faultKinds]prng.Source
	more        prng.Source // topUp
	counts      [faultKinds]int
	marks       [markKinds]bool
	phase       phase
	refusal     *refusal // from phaseRefuse on
	healed      Time     // when faults stopped
	ledger      ledger
	past        history
	allowed     map[linearizability.Anomaly]int
	judged      int
	codec       *Codec
	events      int
	failure     *failure

	decisions Edit
}

// phase is how far a run has come.
type phase uint64

const (
	phaseSafety phase = iota
	phaseDrain        // faults have stopped, clients get rid of what they have
	phaseRead         // fresh readers read everything
	phaseStop         // the nodes stop in order
	phaseDone
	phaseRefuse // what one copy cannot replace is gone: the node must say so
	phaseStuck  // the nodes have not stopped in time
)

// failure ends a run.
type failure struct {
	outcome       Outcome
	oracle, found string
}

// drainBound is the virtual time in which clients must be done after faults have stopped, and readers after that.
const drainBound = 120 * Second

// eventsMax bounds a run that goes in circles.
const eventsMax = 2_000_000

// Run runs one seed to its end.
func Run(cfg Config) (result Result) {
	w := &World{cfg: cfg, opt: &cfg.Options, trace: newTrace(cfg.Trace), codec: cfg.Codec}
	w.network = w.source(forNetwork)
	if w.codec == nil {
		w.codec = NewCodec()
	}
	defer func() {
		if !cfg.Panic {
			if r := recover(); r != nil {
				w.failure = &failure{Crash, "panic", fmt.Sprint(r)}
				w.note("world", "panic "+fmt.Sprint(r))
				result = w.result()
			}
		}
	}()
	w.begin()
	for w.failure == nil && w.phase != phaseDone {
		e, ok := w.heap.pop()
		if !ok {
			w.fail(Liveness, "progress", "nothing is left to happen")
			break
		}
		w.now = e.at
		if w.events++; w.events > eventsMax {
			w.fail(Liveness, "progress", fmt.Sprintf("still busy after %d events", eventsMax))
			break
		}
		if r := cfg.Record; r != nil {
			r.Times = append(r.Times, w.now)
		}
		w.handle(&e)
	}
	return w.result()
}

func (w *World) result() Result {
	r := Result{Seed: w.opt.Seed, Digest: w.trace.digest(), Events: w.events, Faults: w.counts, Acked: w.ledger.acked, Read: w.ledger.read, Virtual: w.now, Marks: w.marks, Allowed: w.allowed, Judged: w.judged, Decisions: w.decisions}
	if w.cfg.Record != nil {
		w.cfg.Record.History = w.past.soFar()
	}
	if f := w.failure; f != nil {
		r.Outcome, r.Oracle, r.Found = f.outcome, f.oracle, f.found
	}
	return r
}

// fail ends the run. The first failure counts.
func (w *World) fail(outcome Outcome, oracle, found string) {
	if w.failure == nil && !(w.cfg.JudgesOnly && outcome == Correctness) {
		w.failure = &failure{outcome, oracle, found}
		w.note("world", outcome.String()+" "+oracle+": "+found)
	}
}

// note writes one line of the trace.
func (w *World) note(who, text string) {
	w.trace.begin(w.now, who)
	w.trace.line = append(w.trace.line, text...)
	w.trace.end()
}

// after puts an event into the heap.
func (w *World) after(delay Time, e event) {
	e.at = w.now + delay
	w.at(e)
}

func (w *World) at(e event) {
	w.seq++
	e.seq = w.seq
	w.heap.push(e)
}

func (w *World) begin() {
	o := w.opt
	w.ledger.init(w)
	w.past.init(w)
	w.allowed = map[linearizability.Anomaly]int{}
	w.decisions = Edit{Ends: o.Safety, Clients: make([]ClientEdit, len(o.Clients))}
	w.found()
	if w.cfg.Edit != nil {
		w.decisions = w.cfg.Edit.Clone()
		w.decisions.Faults = nil
		for i := range w.decisions.Clients {
			w.decisions.Clients[i].Batches = nil
		}
		w.edit()
	}
	if err := w.nodes[0].liveThrough(&o.Life); err != nil {
		w.fail(Crash, "life", err.Error())
	}
	for _, n := range w.nodes {
		w.after(0, event{kind: evStart, who: n.id, life: n.life})
	}
	for i := range o.Clients {
		w.clients = append(w.clients, newClient(w, int32(i), &o.Clients[i]))
	}
	for _, c := range w.clients {
		c.start()
	}
	for i := range o.Admins {
		w.admins = append(w.admins, newAdmin(w, int32(i)))
	}
	for k := range w.faults {
		w.faults[k] = source(o.Seed, forFault+purpose(k))
		if w.cfg.Edit == nil {
			w.nextFault(faultKind(k))
		}
	}
	if w.more = source(o.Seed, forTopUp); o.Profile.faultsLeast() > 0 && w.cfg.Edit == nil {
		w.after(o.Safety/topUps, event{kind: evTopUp})
	}
	w.after(w.ends(), event{kind: evPhase, n: uint64(phaseDrain)})
}

// handle lets one event happen.
func (w *World) handle(e *event) {
	switch e.kind {
	case evClient:
		w.clients[e.who].wake()
	case evAdmin:
		w.admins[e.who].wake()
	case evHealed:
		w.checkHealed()
	case evRoll:
		w.nodes[e.who].rolls()
	case evFault:
		w.inject(faultKind(e.n))
	case evTopUp:
		w.topUp()
	case evReplay:
		w.replay(&w.cfg.Edit.Faults[e.n])
	case evPhase:
		w.enter(phase(e.n))
	case evConnect:
		w.links[e.who].connect(e)
	case evAnswered:
		w.links[e.who].answered(e)
	case evFetchDue:
		w.fetchDue(e)
	case evClog:
		w.links[e.who].clog(Time(e.n))
	case evLearn:
		w.links[e.who].learn(simnet.Side(e.n))
	case evArrive:
		w.links[e.who].arrive(e)
	default:
		w.nodes[e.who].handle(e)
	}
}

// enter begins a phase.
func (w *World) enter(p phase) {
	if p == phaseDrain && w.beginRefusal() {
		return
	}
	if p == phaseDone && w.refusal != nil {
		w.judgeRefusal()
	}
	w.phase = p
	w.note("world", fmt.Sprintf("phase %d", p))
	switch p {
	case phaseDrain:
		w.healed = w.now
		w.opt.calm()
		for _, n := range w.nodes {
			n.heal()
		}
		if !w.alone() {
			w.healWays()
		}
	case phaseRead:
		for _, c := range w.clients {
			c.stop()
		}
		w.startReaders()
	case phaseStop:
		for _, n := range w.nodes {
			n.strike(cleanRestart)
		}
		w.after(drainBound, event{kind: evPhase, n: uint64(phaseStuck)})
	case phaseStuck:
		w.fail(Liveness, "stop", "the node does not come to its end")
	}
	if p == phaseDrain || p == phaseRead {
		for _, c := range w.clients {
			c.poke()
		}
	}
}

// mayLose reports whether an answer may come just now from a node that had given a directory up. After the last faults only those that were under way do; who asks
// again must get on.
func (w *World) mayLose() bool { return w.opt.Dirs > 1 && w.phase <= phaseDrain }

// check moves on when a phase has reached its end, or ends the run when it takes too long.
func (w *World) check() {
	if w.phase != phaseDrain && w.phase != phaseRead || w.failure != nil {
		return
	}
	done := true
	var waits string
	for _, c := range w.clients {
		if why := c.unfinished(); why != "" {
			done, waits = false, waits+" "+why
		}
	}
	switch {
	case done && w.phase == phaseDrain && !w.alone() && w.unmended() != "": // L2 bounds how long
	case done && w.phase == phaseDrain:
		w.enter(phaseRead)
	case done:
		w.ledger.judge()
		w.past.judge()
		for _, n := range w.nodes {
			n.checkFrames()
		}
		w.enter(phaseStop)
	case w.now > w.healed+drainBound && !w.alone() && w.onlyHurtCopies():
		for _, c := range w.clients {
			c.stop()
		}
		w.enter(phaseStop)
	case w.now > w.healed+drainBound:
		w.fail(Liveness, "drain", fmt.Sprintf("%s after faults have stopped:%s", w.now-w.healed, waits))
	}
}

// wallBase is the wall-clock time at which worlds begin.
const wallBase record.UnixMillis = 1_750_000_000_000
