package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"odradek/bench/cell"
	"odradek/bench/kafka"
	"odradek/bench/load"
	"odradek/bench/measure"
	"odradek/bench/target"
)

// Options are what a sweep is made from.
type Options struct {
	Target target.Target
	Cells  []cell.Cell
	Reps   int
	Plan   Plan
	// Scratch is a directory on the broker's disk, for calibration.
	Scratch string
	// Configs are those of each topic besides the cell's.
	Configs map[string]string
	// Loading, if not nil, is called when the load of a run begins. It must not wait.
	Loading func()
	// Measuring, if not nil, is called when the measured part of a run begins. It must not wait.
	Measuring func()
	// Done is told after each run; total counts those left at the begin.
	Done func(done, total int, r *Record)
}

// valuesMax ends a run without a schedule early: 1 GiB is some seconds of writing for most disks.
const valuesMax = 1 << 30

// Sweep runs what the store does not hold yet. Repetitions are interleaved: each cell once, in an order drawn anew, then each again. A run that fails is kept
// with its error and the next one begins. After ctx has ended the run under way is finished.
func Sweep(ctx context.Context, o Options, s *Store) error {
	type turn struct {
		cell cell.Cell
		rep  int
	}
	var turns []turn
	for rep := range o.Reps {
		order := slices.Clone(o.Cells)
		rng := rand.New(rand.NewPCG(o.Plan.Seed, uint64(rep)))
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, c := range order {
			if !s.Done(c.ID(), rep) {
				turns = append(turns, turn{c, rep})
			}
		}
	}
	failed := 0
	for i, t := range turns {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d of %d runs: the same command goes on from here", i, len(turns))
		}
		r := One(ctx, &o, t.cell, t.rep)
		if err := s.Add(*r); err != nil {
			return err
		}
		if r.Error != "" {
			failed++
		}
		if o.Done != nil {
			o.Done(i+1, len(turns), r)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d runs failed", failed, len(turns))
	}
	return nil
}

// One runs a cell once.
func One(ctx context.Context, o *Options, c cell.Cell, rep int) *Record {
	r := &Record{ID: c.ID(), Cell: c, Rep: rep, Begun: time.Now().UTC()}
	if err := attempt(ctx, o, c, r); err != nil {
		r.Error = err.Error()
	}
	return r
}

func attempt(ctx context.Context, o *Options, c cell.Cell, r *Record) (err error) {
	addresses, err := o.Target.Bootstrap(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	admin, err := kafka.DialAny(addresses)
	if err != nil {
		return fmt.Errorf("%w: %v", target.ErrUnreachable, err)
	}
	defer admin.Close()
	topic := fmt.Sprintf("bench-%d-%d", os.Getpid(), time.Now().UnixNano())
	configs := map[string]string{}
	maps.Copy(configs, o.Configs)
	if c.Relaxed {
		configs["flush.messages"] = "10000"
	}
	if err := admin.CreateTopic(topic, c.Partitions, max(o.Plan.Replicas, 1), configs); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.DeleteTopic(topic)) }()
	leaders, err := admin.Leaders(topic, c.Partitions)
	if err != nil {
		return err
	}
	cfg := load.Config{Cell: c, Topic: topic, Leaders: leaders, Warmup: o.Plan.Warmup, Length: o.Plan.Length, Workers: o.Plan.Workers,
		Poisson: o.Plan.Poisson, Spin: o.Plan.Spin, Seed: o.Plan.Seed, ValuesMax: valuesMax}
	if r.Machine, err = measure.Calibrate(o.Scratch); err != nil {
		return fmt.Errorf("calibration: %w", err)
	}
	return drive(o, cfg, r)
}

// lead is how long before its start a load is given to its thread.
const lead = 20 * time.Millisecond

// drive runs the load, with a consumer where there is a schedule.
func drive(o *Options, cfg load.Config, r *Record) error {
	l, err := load.New(cfg)
	if err != nil {
		return err
	}
	if o.Loading != nil {
		o.Loading()
	}
	start := measure.Now() + int64(lead)
	var consumer *load.Consumer
	if cfg.Cell.Open() {
		if consumer, err = load.Consume(cfg, start); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	before := make(chan *measure.Usage, 1)
	go func() {
		time.Sleep(time.Duration(start - measure.Now() + int64(cfg.Warmup)))
		used := usage(o.Target)
		if o.Measuring != nil {
			o.Measuring()
		}
		before <- used
	}()
	if o.Plan.Pause > 0 {
		go pause(o, start+int64(cfg.Warmup+cfg.Length/4))
	}
	result, err := l.Run(start)
	after := usage(o.Target)
	if b := <-before; b != nil && after != nil {
		used := after.Sub(*b)
		r.Usage = &used
	}
	if pid := o.Target.Process(); pid != 0 {
		r.Memory, r.MemoryMax = measure.Memory(pid)
	}
	r.Disk = o.Target.DiskBytes(cfg.Topic)
	if consumer != nil {
		h, consumed := consumer.Finish(result.AllBatches, result.Places)
		err = errors.Join(err, consumed)
		if r.EndToEnd, consumed = h.Encode(); consumed != nil {
			err = errors.Join(err, consumed)
		}
	}
	return errors.Join(err, r.take(result))
}

func usage(t target.Target) *measure.Usage {
	u, err := t.Usage()
	if err != nil {
		return nil
	}
	return &u
}

// pause stops the broker in the middle of a run, if it is a process that can be stopped.
func pause(o *Options, at int64) {
	if n, ok := o.Target.(interface{ Pause(time.Duration) error }); ok {
		time.Sleep(time.Duration(at - measure.Now()))
		_ = n.Pause(o.Plan.Pause)
	}
}
