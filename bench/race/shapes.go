package race

import (
	"context"
	"errors"
	"time"

	"odradek/bench/cell"
	"odradek/bench/load"
	"odradek/bench/measure"
)

// What a topic is given whose oldest segments shall be deleted while it is written: so much for each partition.
var retained = map[string]string{"retention.bytes": "67108864", "segment.bytes": "16777216"}

// retention writes at a fixed rate to a topic that holds as much as it may, so that segments are deleted all the while.
func retention(ctx context.Context, a *Arena, c *Cell, e Entrant) (_ Values, err error) {
	w := cell.Default()
	w.Record, w.Payload, w.Rate = 1000, "random", 50_000
	return a.besides(ctx, c, e, w, retained, 4*(64<<20)+(64<<20), nil)
}

// drain writes at a fixed rate while readers take in what has piled up before.
func drain(ctx context.Context, a *Arena, c *Cell, e Entrant) (Values, error) {
	w := cell.Default()
	w.Record, w.Payload, w.Rate = 1000, "random", 20_000
	return a.besides(ctx, c, e, w, nil, a.Plan.Backlog, func(topic string, leaders []string) (float64, error) {
		begun := time.Now()
		n, err := read(topic, leaders, a.Plan.Warmup+a.length(c), 0)
		return float64(n) / 1e6 / time.Since(begun).Seconds(), err
	})
}

// besides fills a topic, and then writes to it by a schedule while something else is done.
func (a *Arena) besides(ctx context.Context, c *Cell, e Entrant, w cell.Cell, configs map[string]string, bytes int64, meanwhile func(topic string, leaders []string) (float64, error)) (_ Values, err error) {
	b, err := a.on(ctx, e.Side, c.Nodes)
	if err != nil {
		return nil, err
	}
	addresses, err := b.Bootstrap(ctx)
	if err != nil {
		return nil, err
	}
	topic, leaders, remove, err := a.topic(addresses, e, w.Partitions, 1, configs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := fill(topic, leaders, bytes, filling(w.Partitions)); err != nil {
		return nil, err
	}
	l, err := load.New(load.Config{Cell: w, Topic: topic, Leaders: leaders, Warmup: a.Plan.Warmup, Length: a.length(c), Workers: 1, Seed: a.Plan.Seed})
	if err != nil {
		return nil, err
	}
	type outcome struct {
		rate float64
		err  error
	}
	beside := make(chan outcome, 1)
	go func() {
		var o outcome
		if meanwhile != nil {
			o.rate, o.err = meanwhile(topic, leaders)
		}
		beside <- o
	}()
	r, err := l.Run(measure.Now() + int64(20*time.Millisecond))
	o := <-beside
	if err = errors.Join(err, o.err); err != nil {
		return nil, err
	}
	values := Values{"throughput": float64(r.Values) / 1e6 / r.Seconds()}
	if meanwhile != nil {
		values["drained"] = o.rate
	}
	for name, p := range map[string]float64{"ack_p50": 50, "ack_p99": 99, "ack_p999": 99.9} { // any order: a map is filled
		if ns, ok := r.Due.Percentile(p); ok {
			values[name] = float64(ns) / 1e6
		}
	}
	return values, nil
}
