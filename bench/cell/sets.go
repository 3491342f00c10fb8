package cell

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"odradek/bench/payload"
)

// Batches are the batch sizes of the sweep; 0 stands for one record.
func Batches() []int { return []int{0, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20} }

// Lingers are those of the sweep.
func Lingers() []time.Duration {
	return []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond}
}

// ladder is the rates of the latency curve in records per second, up to what no two processors keep up with.
var ladder = []float64{50e3, 100e3, 250e3, 500e3, 1e6, 1.5e6, 2e6, 3e6}

// clientLadder is that of the client mode, where records are gathered and stamped one by one.
var clientLadder = []float64{5e3, 25e3, 100e3, 250e3, 500e3}

// clientRate and clientLinger are those of the cells that show latency against batch size.
const (
	clientRate   = 25e3
	clientLinger = 20 * time.Millisecond
)

// changed is Default with one thing changed.
func changed(change func(*Cell)) Cell {
	c := Default()
	change(&c)
	return c
}

// Sweep is every cell that the pictures need, each once.
func Sweep() []Cell {
	var out []Cell
	for _, batch := range Batches() {
		for _, codec := range Codecs() {
			out = append(out, changed(func(c *Cell) { c.Batch, c.Codec = batch, codec }))
		}
		out = append(out, client(batch, clientLinger, clientRate))
	}
	for _, rate := range ladder {
		out = append(out, changed(func(c *Cell) { c.Rate = rate }))
	}
	for _, linger := range Lingers() {
		for _, rate := range clientLadder {
			out = append(out, client(16<<10, linger, rate))
		}
	}
	for _, set := range payload.Names() {
		for _, codec := range Codecs() {
			out = append(out, changed(func(c *Cell) { c.Batch, c.Codec, c.Payload = 64<<10, codec, set }))
		}
	}
	return unique(append(out, oneChanged()...))
}

// oneChanged are the default cell's neighbours.
func oneChanged() []Cell {
	var out []Cell
	for _, size := range []int{16, 1000, 10_000} {
		out = append(out, changed(func(c *Cell) { c.Record = size }))
	}
	for _, n := range []int{1, 16, 100} {
		out = append(out, changed(func(c *Cell) { c.Partitions = n }))
	}
	for _, n := range []int{1, 50} {
		out = append(out, changed(func(c *Cell) { c.Producers = n }))
	}
	for _, acks := range []int16{0, 1} {
		out = append(out, changed(func(c *Cell) { c.Acks = acks }))
	}
	return append(out, changed(func(c *Cell) { c.Keys = true }), changed(func(c *Cell) { c.Relaxed = true }),
		changed(func(c *Cell) { c.Mode = Client }))
}

// client is the default cell in client mode with one producer, as one application is.
func client(batch int, linger time.Duration, rate float64) Cell {
	return changed(func(c *Cell) {
		c.Mode, c.Batch, c.Linger, c.Rate, c.Producers = Client, batch, linger, rate, 1
	})
}

// Quick is nine cells, of which each picture gets at least one point and the trade-offs two.
func Quick() []Cell {
	return []Cell{
		changed(func(c *Cell) { c.Batch = 0 }),
		Default(),
		changed(func(c *Cell) { c.Batch = 1 << 20 }),
		changed(func(c *Cell) { c.Codec = "zstd" }),
		client(0, clientLinger, clientRate),
		client(16<<10, clientLinger, clientRate),
		client(16<<10, 0, clientRate),
		changed(func(c *Cell) { c.Rate = 250e3 }),
		changed(func(c *Cell) { c.Rate = 1e6 }),
	}
}

func unique(cells []Cell) []Cell {
	seen := map[string]bool{}
	return slices.DeleteFunc(cells, func(c Cell) bool {
		again := seen[c.ID()]
		seen[c.ID()] = true
		return again
	})
}

// Pick chooses cells. Each expression is either a pattern of names, with * for anything within a part, or key=value,… which is the default
// cell with those things changed (mode, batch, linger, codec, record, payload, keys, acks, partitions, producers, inflight, rate, relaxed).
func Pick(from []Cell, expressions []string) ([]Cell, error) {
	var out []Cell
	for _, e := range expressions {
		if strings.Contains(e, "=") {
			c, err := parse(e)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
			continue
		}
		before := len(out)
		for _, c := range from {
			if matches(e, c.ID()) {
				out = append(out, c)
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("no cell is named %q: --list shows the names", e)
		}
	}
	return unique(out), nil
}

// matches compares part by part; a pattern with fewer parts covers every name that begins so.
func matches(pattern, id string) bool {
	parts, names := strings.Split(pattern, "/"), strings.Split(id, "/")
	if len(parts) > len(names) {
		return false
	}
	for i, p := range parts {
		if ok, err := path.Match(p, names[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// parse reads key=value,…
func parse(e string) (Cell, error) {
	c := Default()
	for pair := range strings.SplitSeq(e, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if err := set(&c, key, value); err != nil {
			return c, fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	return c, c.Check()
}

func set(c *Cell, key, value string) (err error) {
	switch key {
	case "mode":
		c.Mode = Mode(value)
	case "batch":
		c.Batch, err = parseSize(value)
	case "linger":
		c.Linger, err = time.ParseDuration(value)
	case "codec":
		c.Codec = value
	case "record":
		c.Record, err = parseSize(value)
	case "payload":
		c.Payload = value
	case "keys":
		c.Keys, err = strconv.ParseBool(value)
	case "relaxed":
		c.Relaxed, err = strconv.ParseBool(value)
	case "acks":
		if value == "all" {
			value = "-1"
		}
		var n int64
		n, err = strconv.ParseInt(value, 10, 16)
		c.Acks = int16(n)
	case "partitions":
		c.Partitions, err = strconv.Atoi(value)
	case "producers":
		c.Producers, err = strconv.Atoi(value)
	case "inflight":
		c.InFlight, err = strconv.Atoi(value)
	case "rate":
		var n int
		n, err = parseScaled(value, 1000)
		c.Rate = float64(n)
	default:
		return fmt.Errorf("no such thing to change")
	}
	return err
}

// parseSize reads bytes with K or M of 1024; 1rec is 0.
func parseSize(s string) (int, error) {
	if s == "1rec" {
		return 0, nil
	}
	return parseScaled(s, 1024)
}

func parseScaled(s string, scale int) (int, error) {
	times := 1
	if t, ok := strings.CutSuffix(s, "K"); ok {
		s, times = t, scale
	} else if t, ok := strings.CutSuffix(s, "M"); ok {
		s, times = t, scale*scale
	}
	n, err := strconv.Atoi(s)
	return n * times, err
}

// The bounds of a cell.
const (
	batchMax      = 1 << 20
	recordMax     = 10 << 10
	partitionsMax = 10_000
	producersMax  = 1000
	inFlightMax   = 64
	rateMax       = 20e6
)

// Check says what is wrong with a cell.
func (c Cell) Check() error {
	if _, err := CodecID(c.Codec); err != nil {
		return err
	}
	switch {
	case c.Mode != Broker && c.Mode != Client:
		return fmt.Errorf("no mode %q: there are broker and client", c.Mode)
	case c.Batch < 0 || c.Batch > batchMax:
		return fmt.Errorf("a batch of %d bytes: at most %d", c.Batch, batchMax)
	case c.Record < payload.SizeMin || c.Record > recordMax:
		return fmt.Errorf("a record of %d bytes: %d to %d", c.Record, payload.SizeMin, recordMax)
	case !slices.Contains(payload.Names(), c.Payload):
		return fmt.Errorf("no payload set %q: there are %v", c.Payload, payload.Names())
	case c.Acks < -1 || c.Acks > 1:
		return fmt.Errorf("acks is all, 1 or 0, not %d", c.Acks)
	case c.Partitions < 1 || c.Partitions > partitionsMax:
		return fmt.Errorf("%d partitions: 1 to %d", c.Partitions, partitionsMax)
	case c.Producers < 1 || c.Producers > producersMax:
		return fmt.Errorf("%d producers: 1 to %d", c.Producers, producersMax)
	case c.InFlight < 1 || c.InFlight > inFlightMax:
		return fmt.Errorf("%d requests in flight: 1 to %d", c.InFlight, inFlightMax)
	case c.Rate < 0 || c.Rate > rateMax:
		return fmt.Errorf("a rate of %g records/s: at most %g", c.Rate, rateMax)
	case c.Linger < 0 || c.Linger > time.Minute:
		return fmt.Errorf("a linger of %v: at most a minute", c.Linger)
	}
	return nil
}
