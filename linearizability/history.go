// Package linearizability judges what clients of a partitioned log did and were told: histories, recorded by the simulator or by any real client. Two
// judges look at each history, independent of each other and of everything else in the project, of which this package imports nothing: the anomalies of
// Jepsen's kafka workload (jepsen.tests.kafka), found without a search, and Porcupine, which looks for an order in which a single log could have done it
// all (Herlihy and Wing, "Linearizability", 1990).
package linearizability

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Kind is what an operation is.
type Kind string

const (
	Client  Kind = "client"  // says what Process was promised; before its first produce
	Produce Kind = "produce" // Values were sent in this order; acknowledged at Offset, if Outcome is ok
	Poll    Kind = "poll"    // Process read on from position Offset to position Next and got Values at Offsets
	Seek    Kind = "seek"    // the position of Process was set to Offset, by itself or by a reset that it was told of; NoOffset: to where nobody knows
	Latest  Kind = "latest"  // the end of the partition is asked for: Offset
	End     Kind = "end"     // the log lost what its settings allow to be lost, or jumped: it ends at Offset now
	Damaged Kind = "damaged" // the offsets from Offset to Next are refused: their disk lost them, and the log says so
	Final   Kind = "final"   // the whole partition, read when everything was over: Offset is its start, Next its end
)

// Outcome is how a produce ended.
type Outcome string

const (
	OK      Outcome = "ok"      // acknowledged, or sent with acks=0
	Fail    Outcome = "fail"    // surely not written
	Unknown Outcome = "unknown" // nobody knows: no answer came
)

// NoOffset stands where an offset is not known: acks=0, or a seek to the end.
const NoOffset = -1

// Operation is one line of a history. Offset and Next are offsets of records, Call and Return numbers in the order of what happened (events of a
// simulation, nanoseconds of one clock): closed intervals, so equal numbers mean at the same time. Return is -1 for what never ended.
type Operation struct {
	Op        Kind      `json:"op"`
	Process   int       `json:"process"` // what one of these sends to a partition it sends in the order of Call, what it reads there in that of Return
	Topic     string    `json:"topic,omitempty"`
	Partition int32     `json:"partition"`
	Call      int64     `json:"call"`
	Return    int64     `json:"return"`
	Since     int64     `json:"since,omitempty"` // of an acknowledged produce: when the connection was made on which the answer came; 0: it is not known
	Outcome   Outcome   `json:"outcome,omitempty"`
	Acks      int16     `json:"acks,omitempty"`
	Offset    int64     `json:"offset"`
	Next      int64     `json:"next,omitempty"`
	Offsets   []int64   `json:"offsets,omitempty"`
	Values    []uint64  `json:"values,omitempty"` // each is sent once in a history
	Guarantee Guarantee `json:"guarantee,omitempty"`
}

// History is a set of operations, in any order.
type History []Operation

// Write writes a history as JSON lines.
func (h History) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	for i := range h {
		if err := enc.Encode(&h[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Read reads a history. The error names the line that is wrong.
func Read(r io.Reader) (History, error) {
	var h History
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	for n := 1; ; n++ {
		var op Operation
		switch err := dec.Decode(&op); {
		case errors.Is(err, io.EOF):
			return h, nil
		case err != nil:
			return nil, fmt.Errorf("operation %d: %w", n, err)
		}
		if err := op.check(); err != nil {
			return nil, fmt.Errorf("operation %d, a %s of process %d: %w", n, op.Op, op.Process, err)
		}
		h = append(h, op)
	}
}

// check finds what no recorder may write.
func (o *Operation) check() error {
	switch {
	case o.Return >= 0 && o.Return < o.Call:
		return fmt.Errorf("it returns at %d, before its call at %d", o.Return, o.Call)
	case o.Op == Client:
		return o.Guarantee.check()
	case o.Topic == "":
		return errors.New("it names no topic")
	case o.Return < 0 && o.Op != Produce:
		return errors.New("it never returns: leave it out")
	}
	switch o.Op {
	case Produce:
		return o.checkProduce()
	case Poll, Final:
		return o.checkRead()
	case Damaged:
		if o.Next <= o.Offset {
			return fmt.Errorf("the range %d to %d is empty", o.Offset, o.Next)
		}
	case Seek, Latest, End:
	default:
		return errors.New("its op is none of client, produce, poll, seek, latest, end, damaged, final")
	}
	return nil
}

func (o *Operation) checkProduce() error {
	switch {
	case len(o.Values) == 0:
		return errors.New("it has no values")
	case o.Outcome != OK && o.Outcome != Fail && o.Outcome != Unknown:
		return fmt.Errorf("outcome %q is none of ok, fail, unknown", o.Outcome)
	case o.Return < 0 && o.Outcome != Unknown:
		return fmt.Errorf("it never returns, so its outcome is unknown, not %s", o.Outcome)
	}
	return nil
}

func (o *Operation) checkRead() error {
	switch {
	case len(o.Offsets) != len(o.Values):
		return fmt.Errorf("%d offsets and %d values", len(o.Offsets), len(o.Values))
	case o.Next < o.Offset:
		return fmt.Errorf("it reads from %d to %d", o.Offset, o.Next)
	}
	return nil
}
