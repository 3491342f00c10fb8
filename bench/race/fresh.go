package race

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"odradek/bench/cell"
	"odradek/bench/kafka"
	"odradek/bench/measure"
	"odradek/bench/run"
	"odradek/bench/target"
)

// fresh describes a broker on an empty directory that is the run's own. The flush mode is the broker's here, so that it holds for what recovery sees, too.
func (a *Arena) fresh(e Entrant) (b target.Broker, remove func() error, err error) {
	if err := a.alone(); err != nil {
		return nil, nil, err
	}
	b, err = a.broker(e.Side, []string{"log.flush.interval.messages=" + e.Configs()["flush.messages"]}, target.Place{}, nil)
	if err != nil {
		return nil, nil, err
	}
	return b, func() error { return errors.Join(b.Close(), os.RemoveAll(filepath.Dir(b.Data()))) }, nil
}

const (
	firstMax   = 2 * time.Minute
	firstPause = 500 * time.Microsecond
)

// firstAck executes a broker and returns how long it took until a record was acknowledged. The topic is made on the way if it is new.
func firstAck(b target.Broker, topic string, fresh bool) (time.Duration, error) {
	batch, err := oneRecord()
	if err != nil {
		return 0, err
	}
	frame := kafka.Spread(topic, 1, -1, batch)
	begun := time.Now()
	if err := b.Start(); err != nil {
		return 0, err
	}
	for {
		err := attemptFirst(b.Address(), topic, frame, fresh)
		if err == nil {
			return time.Since(begun), nil
		}
		if time.Since(begun) > firstMax || b.Process() == 0 {
			return 0, fmt.Errorf("nothing was acknowledged after %v: %w", time.Since(begun), err)
		}
		time.Sleep(firstPause)
	}
}

func attemptFirst(address, topic string, frame []byte, fresh bool) error {
	conn, err := kafka.Dial(address, firstMax)
	if err != nil {
		return err
	}
	defer conn.Close()
	if fresh {
		// Made twice is made: an attempt before may have come so far.
		if err := conn.CreateTopic(topic, 1, 1, nil); err != nil && !errors.Is(err, kafka.ErrExists) {
			return err
		}
		if _, err := conn.Leaders(topic, 1); err != nil {
			return err
		}
	}
	reply, err := conn.Exchange(frame, firstMax)
	if err != nil {
		return err
	}
	return kafka.Check(reply, 1)
}

// start times a broker from its execution on an empty directory to the first record that it acknowledged. Kafka's directory must be formatted by a command of its own
// before: its time stands apart.
func start(_ context.Context, a *Arena, _ *Cell, e Entrant) (_ Values, err error) {
	b, remove, err := a.fresh(e)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	begun := time.Now()
	if f, ok := b.(interface{ Format() error }); ok {
		if err := f.Format(); err != nil {
			return nil, err
		}
	}
	formatted := time.Since(begun)
	took, err := firstAck(b, "first", true)
	return Values{"start": took.Seconds() * 1e3, "start_formatted": (took + formatted).Seconds() * 1e3}, err
}

// recovery kills a broker that holds a lot in many partitions (kill -9), and times it from its next execution to the first record that it acknowledged.
func recovery(ctx context.Context, a *Arena, c *Cell, e Entrant) (_ Values, err error) {
	b, remove, err := a.fresh(e)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	addresses, err := b.Bootstrap(ctx)
	if err != nil {
		return nil, err
	}
	leaders, err := create(addresses, "many", manyPartitions, e)
	if err != nil {
		return nil, err
	}
	if err := fill("many", leaders, a.Plan.Recover, filling(manyPartitions)); err != nil {
		return nil, err
	}
	if err := b.Kill(); err != nil {
		return nil, err
	}
	profile := beside(func() { a.profiled(b, c, e, time.Second) })
	took, err := firstAck(b, "many", false)
	profile()
	return Values{"recovery": took.Seconds() * 1e3}, err
}

// create makes a topic and waits for its leaders.
func create(addresses []string, topic string, partitions int, e Entrant) ([]string, error) {
	conn, err := kafka.DialAny(addresses)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.CreateTopic(topic, partitions, 1, e.Configs()); err != nil {
		return nil, err
	}
	return conn.Leaders(topic, partitions)
}

// idle is how long a broker stands still before its memory is looked at.
const idle = 3 * time.Second

// memory looks at the resident set of a broker that was just started, with a thousand partitions that a record was written to each, and of another one under load.
func memory(ctx context.Context, a *Arena, c *Cell, e Entrant) (_ Values, err error) {
	b, remove, err := a.fresh(e)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	addresses, err := b.Bootstrap(ctx)
	if err != nil {
		return nil, err
	}
	values := Values{}
	resident := func(name string) {
		time.Sleep(idle)
		now, _ := measure.Memory(b.Process())
		values[name] = float64(now) / 1e6
	}
	resident("idle")
	if _, err := create(addresses, "many", manyPartitions, e); err != nil {
		return nil, err
	}
	batch, err := oneRecord()
	if err != nil {
		return nil, err
	}
	conn, err := kafka.Dial(addresses[0], roundTimeout)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	reply, err := conn.Exchange(kafka.Spread("many", manyPartitions, -1, batch), roundTimeout)
	if err != nil {
		return nil, err
	}
	if err := kafka.Check(reply, manyPartitions); err != nil {
		return nil, err
	}
	resident("partitions")
	values["loaded"], err = a.loadedMemory(ctx, c, e)
	return values, err
}

// loadedRate is 100 000 records a second, of 1 KB.
const loadedRate = 100_000

// loadedMemory is the greatest resident set of a fresh broker under that load.
func (a *Arena) loadedMemory(ctx context.Context, c *Cell, e Entrant) (_ float64, err error) {
	b, remove, err := a.fresh(e)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	load := cell.Default()
	load.Record, load.Rate = 1000, loadedRate
	r := run.One(ctx, &run.Options{Target: b, Plan: a.loadPlan(1, a.Plan.Warmup, a.length(c)), Scratch: a.Dir, Configs: e.Configs()}, load, 0)
	if r.Error != "" {
		return 0, errors.New(r.Error)
	}
	return float64(r.MemoryMax) / 1e6, nil
}
