package race

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"odradek/bench/cell"
	"odradek/bench/kafka"
	"odradek/bench/measure"
	"odradek/bench/report"
	"odradek/bench/run"
	"odradek/bench/target"
)

// Arena is where brokers are raced: each is started once, warmed, and held still (SIGSTOP) while another is measured.
type Arena struct {
	Binary    string // of Odradek
	Classpath string // of Kafka
	Rdkafka   string // rdkafka_performance; empty: not here
	Dir       string // on the disk to measure
	Plan      Plan
	Cells     []*Cell // that will be run: brokers are warmed with their loads
	Says      io.Writer
	Only      Side      // is run; empty: both
	Until     time.Time // no cell is begun later; zero: all are
	Profiles  string    // directory for CPU profiles of Odradek; empty: none. Set by Profile

	teams map[team]*standing
	stays map[string]bool // folders that have not left the disk
	needs map[string]need // of the last run, by cell and entrant
}

// team is so many brokers of a side.
type team struct {
	side  Side
	nodes int
}

// standing is a team that was started.
type standing struct {
	broker held
	held   bool
}

// held is a target that can be stopped where it is.
type held interface {
	target.Target
	Hold() error
	Release() error
}

// Settings that differ from Kafka's defaults, and why: retention must be seen at work; deleted topics must leave the disk before the next run, which they do at once
// with Odradek; and a broker that was held must not be taken for a dead one. The last is not set where starts and recoveries are measured.
const (
	common    = "log.retention.check.interval.ms=5000"
	kafkaOnly = "log.segment.delete.delay.ms=500"
	forHeld   = "broker.session.timeout.ms=3600000"
)

// Settings are those of brokers that are held, to be told; the last one is Kafka's alone.
func Settings() []string { return []string{common, forHeld, kafkaOnly} }

// broker describes one that is not started yet, on an empty directory.
func (a *Arena) broker(side Side, set []string, place target.Place, voters []target.Place) (target.Broker, error) {
	dir, err := os.MkdirTemp(a.Dir, string(side)+"-")
	if err != nil {
		return nil, err
	}
	set = append([]string{common}, set...)
	if side == Kafka {
		return target.NewKafka(a.Classpath, dir, append(set, kafkaOnly), place, voters), nil
	}
	return target.NewMember(a.Binary, dir, set, place, voters), nil
}

// on returns a team's brokers, started, warmed and going; all others are held.
func (a *Arena) on(ctx context.Context, side Side, nodes int) (target.Target, error) {
	which := team{side, nodes}
	if err := a.hold(which); err != nil {
		return nil, err
	}
	s := a.teams[which]
	if s != nil {
		if s.held {
			if err := s.broker.Release(); err != nil {
				return nil, err
			}
			s.held = false
		}
		return s.broker, a.awake(ctx, s.broker, nodes)
	}
	broker, err := a.team(side, nodes)
	if err != nil {
		return nil, err
	}
	if err = a.awake(ctx, broker, nodes); err == nil {
		err = a.warm(ctx, which, broker)
	}
	if err != nil {
		return nil, errors.Join(err, broker.Close())
	}
	if a.teams == nil {
		a.teams = map[team]*standing{}
	}
	a.teams[which] = &standing{broker: broker}
	return broker, nil
}

// team describes brokers that are not started yet.
func (a *Arena) team(side Side, nodes int) (held, error) {
	if nodes <= 1 {
		return a.broker(side, []string{forHeld}, target.Place{}, nil)
	}
	places, err := target.Places(nodes)
	if err != nil {
		return nil, err
	}
	all := new(target.Several)
	for _, p := range places {
		b, err := a.broker(side, []string{forHeld}, p, places)
		if err != nil {
			return nil, err
		}
		all.Brokers = append(all.Brokers, b)
	}
	return all, nil
}

// awakeMax bounds how long a cluster takes to find together again after it was held.
const awakeMax = 60 * time.Second

func (a *Arena) awake(ctx context.Context, b target.Target, nodes int) error {
	addresses, err := b.Bootstrap(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	return kafka.AwaitBrokers(addresses, max(1, nodes), awakeMax)
}

// hold holds all teams but one.
func (a *Arena) hold(but team) error {
	var errs []error
	for t, s := range a.teams { // any order: each is stopped by itself
		if t == but || s.held {
			continue
		}
		s.held = true
		errs = append(errs, s.broker.Hold())
	}
	return errors.Join(errs...)
}

// alone holds all teams: what follows starts brokers of its own.
func (a *Arena) alone() error { return a.hold(team{}) }

// Close ends all.
func (a *Arena) Close() error {
	var errs []error
	for _, s := range a.teams { // any order: each ends by itself
		errs = append(errs, s.broker.Close())
	}
	return errors.Join(errs...)
}

// slice is how long a broker is warmed with one load before the next.
const slice = 2 * time.Second

// warm runs the loads that this team will be measured with, by turns, for as long as the plan says: a virtual machine compiles what it sees often.
func (a *Arena) warm(ctx context.Context, which team, b target.Target) error {
	loads := a.loads(which)
	most := a.Plan.warm(which.side)
	if most > 0 {
		fmt.Fprintf(a.Says, "warming %s for %v\n", b.Name(), most)
	}
	long := min(slice, max(most/time.Duration(len(loads)), 500*time.Millisecond))
	for i, done := 0, time.Duration(0); done < most && ctx.Err() == nil; i++ {
		c := loads[i%len(loads)]
		begun := time.Now()
		r := run.One(ctx, &run.Options{Target: b, Plan: a.loadPlan(which.nodes, 0, long), Scratch: a.Dir, Configs: Entrant{which.side, false}.Configs()}, *c.Load, 0)
		if r.Error != "" {
			return fmt.Errorf("warming with %s: %s", c.Name, r.Error)
		}
		done += min(long, time.Since(begun))
	}
	a.settle(b)
	return nil
}

// loads are those of the generator that a team will be measured with.
func (a *Arena) loads(which team) (out []*Cell) {
	for _, c := range a.Cells {
		if c.Load != nil && c.Nodes == which.nodes {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		c := cell.Default()
		out = append(out, &Cell{Name: "warm", Nodes: which.nodes, Load: &c})
	}
	return out
}

// nodeWarmMax is as long as a node needs load: it is compiled already, and its first second is like its hundredth.
const nodeWarmMax = 10 * time.Second

// warm is how long brokers of a side get load before they are measured.
func (p *Plan) warm(side Side) time.Duration {
	if side == Kafka {
		return p.Warm
	}
	return min(p.Warm, nodeWarmMax)
}

func (a *Arena) loadPlan(nodes int, warmup, length time.Duration) run.Plan {
	return run.Plan{Warmup: warmup, Length: length, Seed: a.Plan.Seed, Workers: 1, Replicas: max(1, nodes)}
}

// load runs a cell of the generator.
func (a *Arena) load(ctx context.Context, c *Cell, e Entrant) (_ Values, _ measure.Machine, err error) {
	b, err := a.on(ctx, e.Side, c.Nodes)
	if err != nil {
		return nil, measure.Machine{}, err
	}
	if c.Pinned {
		apart, err := measure.Apart(b.Process())
		if err != nil {
			return nil, measure.Machine{}, err
		}
		defer func() { err = errors.Join(err, apart()) }()
	}
	o := &run.Options{Target: b, Plan: a.loadPlan(c.Nodes, a.Plan.Warmup, a.length(c)), Scratch: a.Dir, Configs: e.Configs()}
	needs := a.need(c, e)
	reserve, err := measure.Hold(needs.bytes)
	if err != nil {
		return nil, measure.Machine{}, err
	}
	lent := reserve.Free
	o.Loading = func() { lent = reserve.Lend(needs.long) }
	defer func() { err = errors.Join(err, lent()) }()
	var profile func()
	o.Measuring = func() { profile = beside(func() { a.profiled(b, c, e, a.length(c)) }) }
	r := run.One(ctx, o, *c.Load, 0)
	if profile != nil {
		profile()
	}
	if r.Error != "" {
		return nil, r.Machine, errors.New(r.Error)
	}
	a.noteNeed(c, e, r)
	values, err := report.Values(r)
	a.settle(b)
	return values, r.Machine, err
}

// settleMax bounds the wait for the files of a deleted topic to leave the disk.
const settleMax = 5 * time.Second

// settle waits until the folders of topics that were made for runs are gone from the disk of these brokers, so that their dirty pages are not written during the next
// run. Brokers remove them some time after they have answered, and not while they are held: so this must be over before. What does not go is not waited for again.
func (a *Arena) settle(b target.Target) {
	brokers := []target.Target{b}
	if several, ok := b.(*target.Several); ok {
		brokers = nil
		for _, one := range several.Brokers {
			brokers = append(brokers, one)
		}
	}
	var left []string
	for deadline := time.Now().Add(settleMax); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		left = nil
		for _, b := range brokers {
			if with, ok := b.(interface{ Data() string }); ok {
				left = append(left, madeForRuns(with.Data())...)
			}
		}
		left = slices.DeleteFunc(left, func(name string) bool { return a.stays[name] })
		if len(left) == 0 {
			return
		}
	}
	if a.stays == nil {
		a.stays = map[string]bool{}
	}
	for _, name := range left {
		a.stays[name] = true
	}
}

// madeForRuns are the folders of partitions of topics that runs have made, by the beginnings of their names.
func madeForRuns(data string) (out []string) {
	for _, prefix := range []string{"race-", "bench-"} {
		found, _ := filepath.Glob(filepath.Join(data, prefix+"*"))
		out = append(out, found...)
	}
	return out
}
