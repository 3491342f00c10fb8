// Package cell says what a benchmark can vary: one Cell is one point of the sweep, with a name that tells all of it.
package cell

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"odradek/core/record"
)

// Mode is who makes batches.
type Mode string

// The modes.
const (
	// Broker sends batches that were encoded before, so that the broker is what is measured.
	Broker Mode = "broker"
	// Client gathers records into batches and compresses them while it measures; each record's latency counts from when it was due.
	Client Mode = "client"
)

// Cell is one point of the sweep.
type Cell struct {
	Mode       Mode          `json:"mode"`
	Batch      int           `json:"batch_bytes"` // before compression; 0: one record
	Linger     time.Duration `json:"linger_ns"`   // client mode only
	Codec      string        `json:"codec"`
	Record     int           `json:"record_bytes"` // size of each value
	Payload    string        `json:"payload"`
	Keys       bool          `json:"keys"`
	Acks       int16         `json:"acks"` // -1: all
	Partitions int           `json:"partitions"`
	Producers  int           `json:"producers"`    // connections
	InFlight   int           `json:"in_flight"`    // requests of a producer under way
	Rate       float64       `json:"records_rate"` // records due per second; 0: as fast as acknowledgements allow
	Relaxed    bool          `json:"relaxed"`      // flush.messages=10000: acknowledged before fsync
}

// Default is the cell that others differ from in a thing or two: the Java client's defaults, at 100-byte records.
func Default() Cell {
	return Cell{Mode: Broker, Batch: 16 << 10, Codec: "none", Record: 100, Payload: "json", Acks: -1, Partitions: 4, Producers: 4, InFlight: 5}
}

// Open reports whether the cell has a schedule, and so a latency that means something.
func (c Cell) Open() bool { return c.Rate > 0 }

// ID names a cell; two cells with the same one are the same.
func (c Cell) ID() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s/%s", c.Mode, BatchName(c.Batch), c.Codec)
	if c.Mode == Client {
		fmt.Fprintf(&b, "/linger%v", c.Linger)
	}
	if c.Rate > 0 {
		fmt.Fprintf(&b, "/rate%s", short(c.Rate))
	} else {
		b.WriteString("/max")
	}
	fmt.Fprintf(&b, "/%sx%d", c.Payload, c.Record)
	if c.Keys {
		b.WriteString("+keys")
	}
	fmt.Fprintf(&b, "/p%d/c%dx%d/acks%s", c.Partitions, c.Producers, c.InFlight, AcksName(c.Acks))
	if c.Relaxed {
		b.WriteString("/relaxed")
	}
	return b.String()
}

// short prints a number with K or M where that loses nothing.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', -1, 64) + "M"
	case v >= 1e3:
		return strconv.FormatFloat(v/1e3, 'g', -1, 64) + "K"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// BatchName prints a batch size as people say it.
func BatchName(n int) string {
	switch {
	case n == 0:
		return "1rec"
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.Itoa(n>>20) + "M"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.Itoa(n>>10) + "K"
	}
	return strconv.Itoa(n)
}

// AcksName is all, 1 or 0.
func AcksName(acks int16) string {
	if acks < 0 {
		return "all"
	}
	return strconv.Itoa(int(acks))
}

// Codecs are the names of the codecs, in the order in which reports show them.
func Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }

// CodecID is the codec of that name.
func CodecID(name string) (record.CodecID, error) {
	for i, n := range Codecs() {
		if n == name {
			return record.CodecID(i), nil
		}
	}
	return 0, fmt.Errorf("no codec %q: there are %v", name, Codecs())
}
