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
func (a *Arena) besides(ctx context.Context, c *Cell, e Entrant, w cell.Cell, configs map[string]string, bytes int64, meanwhile func(topic string, leaders []string) (float64, error)) (Values, error) {
	return a.staged(ctx, c, e, w.Partitions, configs, func(s *stage) (Values, error) {
		if err := fill(s.topic, s.leaders, bytes, filling(w.Partitions)); err != nil {
			return nil, err
		}
		l, err := load.New(load.Config{Cell: w, Topic: s.topic, Leaders: s.leaders, Warmup: a.Plan.Warmup, Length: a.length(c), Workers: 1, Seed: a.Plan.Seed})
		if err != nil {
			return nil, err
		}
		var rate float64
		var failure error
		wait := beside(func() {
			if meanwhile != nil {
				rate, failure = meanwhile(s.topic, s.leaders)
			}
		})
		r, err := l.Run(measure.Now() + int64(20*time.Millisecond))
		wait()
		if err = errors.Join(err, failure); err != nil {
			return nil, err
		}
		values := percentiles(r.Due, "ack", Values{"throughput": float64(r.Values) / 1e6 / r.Seconds()})
		if meanwhile != nil {
			values["drained"] = rate
		}
		return values, nil
	})
}
