package load

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"odradek/bench/cell"
	"odradek/bench/measure"
	"odradek/core/record"
)

// Config is what one run of a cell needs.
type Config struct {
	Cell    cell.Cell
	Topic   string
	Leaders []string // addresses, by partition
	Warmup  time.Duration
	Length  time.Duration
	// ValuesMax ends a run without a schedule early, so that a fast one does not fill the page cache; 0: never.
	ValuesMax int64
	Workers   int // threads; producers are dealt out among them
	Poisson   bool
	Spin      bool // never sleep while answers are due: it takes a processor whole, and spares the time that waking up takes
	Seed      uint64
	// Echoed says that the target's base offsets are the time at which it answered.
	Echoed bool
}

// Place tells where a batch went, for a consumer that cannot read its stamp.
type Place struct {
	Partition int32
	Offset    record.Offset
	Due       int64
}

// Result is what a run gave. A batch is measured when it was due (without a schedule: sent) between From and To.
type Result struct {
	From, To int64 // on the monotonic clock

	// Acknowledged between From and To, whenever due.
	Records, Batches, Values int64
	// Acknowledged since From, what came after To included: what a broker's counters are divided by.
	SinceRecords, SinceBatches, SinceValues, SinceWire int64
	// All that was acknowledged, warm-up included: as many batches as a consumer must see, and what lies on the disk.
	AllBatches, AllRecords int64

	Due  *measure.Histogram // acknowledgement − due, of each record in client mode, else of each batch
	Sent *measure.Histogram // acknowledgement − sent, of each batch
	Late *measure.Histogram // sent − due, of each batch: it includes waiting for room among the requests under way
	Back *measure.Histogram // acknowledgement − answered, where the target echoes that

	// How long the generator's threads ran, and how long of that they were ready and had no processor: where it is much, others had the machine, and
	// tails are theirs.
	Ran, Waited int64

	Unanswered int64 // measured batches that had no acknowledgement when the run was given up; they count as having waited until then
	Errors     int64
	FirstError string
	Places     []Place
}

// drainMin and drainMax bound the wait for what is still due or under way when the time is over: twice that time, within them.
const (
	drainMin = 3 * time.Second
	drainMax = 10 * time.Second
)

func drain(length time.Duration) int64 { return int64(min(max(2*length, drainMin), drainMax)) }

// Load is a run that is ready to begin: its batches are encoded and its connections open.
type Load struct {
	cfg   Config
	loops []*loop
}

// New makes one ready.
func New(cfg Config) (*Load, error) {
	l := &Load{cfg: cfg}
	workers := min(max(cfg.Workers, 1), cfg.Cell.Producers)
	for i := range workers {
		// Stamps are written into batches, so each worker has its own.
		made, err := prepare(cfg.Cell, cfg.Seed, record.UnixMillis(time.Now().UnixMilli()))
		if err == nil {
			var next *loop
			if next, err = newLoop(&l.cfg, made, i, workers); err == nil {
				l.loops = append(l.loops, next)
				continue
			}
		}
		l.close()
		return nil, err
	}
	return l, nil
}

// Close ends the connections of a load that is not run.
func (l *Load) Close() error { l.close(); return nil }

func (l *Load) close() {
	for _, w := range l.loops {
		w.close()
	}
}

// Run carries it out, from start on the monotonic clock, and closes the connections.
func (l *Load) Run(start int64) (*Result, error) {
	errs := make(chan error, len(l.loops))
	for _, w := range l.loops {
		w.begin(start)
		go func() {
			runtime.LockOSThread() // its timer is precise, and it is one thread that is measured
			defer runtime.UnlockOSThread()
			errs <- w.run()
		}()
	}
	var failures []error
	for range l.loops {
		failures = append(failures, <-errs)
	}
	sum := newResult()
	l.close()
	for _, w := range l.loops {
		sum.add(&w.result)
	}
	if err := errors.Join(failures...); err != nil {
		return sum, err
	}
	if sum.Errors > 0 {
		return sum, fmt.Errorf("%d batches were refused, the first with %s", sum.Errors, sum.FirstError)
	}
	if sum.SinceBatches == 0 {
		return sum, errors.New("nothing was acknowledged after the warm-up")
	}
	return sum, nil
}

func newResult() *Result {
	return &Result{Due: measure.NewHistogram(), Sent: measure.NewHistogram(), Late: measure.NewHistogram(), Back: measure.NewHistogram()}
}

// add merges a worker's result.
func (r *Result) add(o *Result) {
	if r.From == 0 {
		r.From = o.From
	}
	r.To = max(r.To, o.To)
	r.Records += o.Records
	r.Batches += o.Batches
	r.Values += o.Values
	r.SinceRecords += o.SinceRecords
	r.SinceBatches += o.SinceBatches
	r.SinceValues += o.SinceValues
	r.SinceWire += o.SinceWire
	r.AllBatches += o.AllBatches
	r.AllRecords += o.AllRecords
	r.Due.Merge(o.Due)
	r.Sent.Merge(o.Sent)
	r.Late.Merge(o.Late)
	r.Back.Merge(o.Back)
	r.Unanswered += o.Unanswered
	r.Ran += o.Ran
	r.Waited += o.Waited
	r.Errors += o.Errors
	if r.FirstError == "" {
		r.FirstError = o.FirstError
	}
	r.Places = append(r.Places, o.Places...)
}

// Seconds is the measured time.
func (r *Result) Seconds() float64 { return float64(r.To-r.From) / 1e9 }
