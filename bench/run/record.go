// Package run carries a sweep out, cell by cell, and keeps every run as a line of a file, so that an interrupted sweep goes on where it was.
package run

import (
	"time"

	"odradek/bench/cell"
	"odradek/bench/journal"
	"odradek/bench/load"
	"odradek/bench/measure"
)

// Plan is what must not change between a sweep and its continuation.
type Plan struct {
	Target   string        `json:"target"`
	Warmup   time.Duration `json:"warmup_ns"`
	Length   time.Duration `json:"length_ns"`
	Seed     uint64        `json:"seed"`
	Poisson  bool          `json:"poisson"`
	Workers  int           `json:"workers"`
	Spin     bool          `json:"spin,omitempty"`
	Pause    time.Duration `json:"pause_ns,omitempty"`
	Replicas int           `json:"replicas,omitempty"`
}

// Store keeps the runs of a sweep.
type Store = journal.Store[Plan, Record]

// Open reads the runs of a directory, or begins a new file.
func Open(dir string, plan Plan) (*Store, error) { return journal.Open[Plan, Record](dir, plan) }

// Read returns the plan and the runs of a directory.
func Read(dir string) (*Store, error) { return journal.Read[Plan, Record](dir) }

// Key names the cell.
func (r Record) Key() (id string, rep int) { return r.ID, r.Rep }

// Failed reports whether it gave an error instead of figures.
func (r Record) Failed() bool { return r.Error != "" }

// Record is one run of one cell: what was counted, and the histograms as text. Everything that a report shows is computed from records.
type Record struct {
	ID    string    `json:"id"`
	Cell  cell.Cell `json:"cell"`
	Rep   int       `json:"rep"`
	Begun time.Time `json:"begun"`
	Error string    `json:"error,omitempty"` // the run failed: nothing else counts

	Machine measure.Machine `json:"machine"`
	Seconds float64         `json:"seconds"` // measured
	Records int64           `json:"records"` // acknowledged in that time
	Batches int64           `json:"batches"`
	Values  int64           `json:"values_bytes"` // of keys and values

	// From the end of the warm-up to the last acknowledgement, as Usage.
	SinceRecords int64 `json:"since_records"`
	SinceBatches int64 `json:"since_batches"`
	SinceValues  int64 `json:"since_values_bytes"`
	SinceWire    int64 `json:"since_wire_bytes"` // of whole requests

	Usage     *measure.Usage `json:"broker_used,omitempty"`
	Memory    int64          `json:"broker_resident_bytes,omitempty"`
	MemoryMax int64          `json:"broker_resident_max_bytes,omitempty"`
	Disk      int64          `json:"disk_bytes,omitempty"` // of the topic's log files at the end
	DiskOf    int64          `json:"disk_records,omitempty"`

	Ran    int64 `json:"generator_ran_ns,omitempty"`
	Waited int64 `json:"generator_waited_ns,omitempty"` // for a processor

	Unanswered int64  `json:"unanswered,omitempty"`
	Due        string `json:"ack_minus_due"` // histograms in nanoseconds, HdrHistogram V2 compressed
	Sent       string `json:"ack_minus_sent"`
	Late       string `json:"sent_minus_due"`
	EndToEnd   string `json:"end_to_end,omitempty"`
}

// take fills in what the generator counted.
func (r *Record) take(l *load.Result) (err error) {
	r.Seconds = l.Seconds()
	r.Records, r.Batches, r.Values = l.Records, l.Batches, l.Values
	r.SinceRecords, r.SinceBatches, r.SinceValues, r.SinceWire = l.SinceRecords, l.SinceBatches, l.SinceValues, l.SinceWire
	r.DiskOf, r.Unanswered, r.Ran, r.Waited = l.AllRecords, l.Unanswered, l.Ran, l.Waited
	for to, h := range map[*string]*measure.Histogram{&r.Due: l.Due, &r.Sent: l.Sent, &r.Late: l.Late} {
		if *to, err = h.Encode(); err != nil {
			return err
		}
	}
	return nil
}
