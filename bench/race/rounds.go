package race

import (
	"context"
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
func rounds(ctx context.Context, a *Arena, c *Cell, e Entrant) (Values, error) {
	return a.staged(ctx, c, e, manyPartitions, nil, func(s *stage) (Values, error) {
		conn, err := kafka.Dial(s.addresses[0], roundTimeout)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		batch, err := oneRecord()
		if err != nil {
			return nil, err
		}
		frame := kafka.Spread(s.topic, manyPartitions, -1, batch)
		h := measure.NewHistogram()
		profile := func() {}
		begun := time.Now()
		for n, warm := 0, true; !enough(time.Since(begun)-a.Plan.Warmup, a.length(c), h.Count()); n++ {
			if warm && n > 0 && time.Since(begun) >= a.Plan.Warmup {
				warm = false
				profile = beside(func() { a.profiled(s.broker, c, e, a.length(c)) })
			}
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
		profile()
		return percentiles(h, "round", nil), nil
	})
}

// A p99 needs a hundred rounds; a broker that takes a second for one gets no more than so many times the length of a measurement.
const (
	roundsMin = 120
	overtime  = 3
)

// enough reports whether rounds have been measured for long enough: until there are enough for a p99, if that is to be had.
func enough(measured, length time.Duration, rounds int64) bool {
	return measured >= length && (rounds >= roundsMin || rounds > 1 && measured >= overtime*length)
}

// percentiles adds those of a histogram that are known, in milliseconds.
func percentiles(h *measure.Histogram, of string, to Values) Values {
	if to == nil {
		to = Values{}
	}
	for name, p := range map[string]float64{"_p50": 50, "_p99": 99, "_p999": 99.9} { // any order: a map is filled
		if ns, ok := h.Percentile(p); ok {
			to[of+name] = float64(ns) / 1e6
		}
	}
	return to
}
