package race

import (
	"context"
	"errors"
	"time"

	"odradek/bench/kafka"
	"odradek/bench/measure"
	"odradek/bench/payload"
	"odradek/core/record"
	"odradek/net/codec"
)

// manyPartitions is how many partitions the cells with many have.
const manyPartitions = 1000

const roundTimeout = 2 * time.Minute

// oneRecord is a batch of one record of 1 KB.
func oneRecord() ([]byte, error) {
	set, err := payload.New("random", 1000, 1)
	if err != nil {
		return nil, err
	}
	var b record.Builder
	b.Reset(record.PlainSpec(record.Attributes(record.CodecNone)))
	b.Append(record.UnixMillis(time.Now().UnixMilli()), nil, set.Values[0], nil)
	batch, err := b.Build(new(codec.Codec))
	return batch.Data, err
}

// rounds sends a record to each of a thousand partitions in one request, waits until all are acknowledged, and does so again: a client that writes a little to everything.
func rounds(ctx context.Context, a *Arena, c *Cell, e Entrant) (_ Values, err error) {
	b, err := a.on(ctx, e.Side, c.Nodes)
	if err != nil {
		return nil, err
	}
	addresses, err := b.Bootstrap(ctx)
	if err != nil {
		return nil, err
	}
	topic, _, remove, err := a.topic(addresses, e, manyPartitions, 1, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	conn, err := kafka.Dial(addresses[0], roundTimeout)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	batch, err := oneRecord()
	if err != nil {
		return nil, err
	}
	frame := kafka.Spread(topic, manyPartitions, -1, batch)
	h := measure.NewHistogram()
	begun := time.Now()
	for warm := true; time.Since(begun) < a.Plan.Warmup+a.length(c); warm = time.Since(begun) < a.Plan.Warmup {
		sent := time.Now()
		reply, err := conn.Exchange(frame, roundTimeout)
		if err != nil {
			return nil, err
		}
		if took := time.Since(sent); !warm {
			h.Record(int64(took))
		}
		if err := kafka.Check(reply, manyPartitions); err != nil {
			return nil, err
		}
	}
	values := Values{}
	for name, p := range map[string]float64{"round_p50": 50, "round_p99": 99} { // any order: a map is filled
		if ns, ok := h.Percentile(p); ok {
			values[name] = float64(ns) / 1e6
		}
	}
	return values, nil
}
