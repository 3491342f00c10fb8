// Package record knows Kafka's record batch, version 2: its header, its records, and what a broker checks before it accepts one.
//
// It is the bottom of core: the defined number types that every other package uses live here too, so that an offset is never mixed
// up with a position or a leader epoch with a producer epoch.
package record

import (
	"encoding/base64"
	"errors"
	"strconv"
)

// Offset is the place of a record in its partition. The first is 0; NoOffset means unknown.
type Offset int64

// NoOffset is the offset that is not known.
const NoOffset Offset = -1

// Epoch is a leader epoch: it rises with each new leadership of a partition (KIP-101). NoEpoch means unknown.
type Epoch int32

// NoEpoch is the leader epoch that is not known.
const NoEpoch Epoch = -1

// NodeID is Kafka's node.id (broker.id). NoNode means none.
type NodeID int32

// NoNode is the leader of a partition that has none.
const NoNode NodeID = -1

// ProducerID names an idempotent producer; NoProducer is the id of a producer that is not.
type ProducerID int64

// NoProducer, NoProducerEpoch and NoSequence stand in the header of a batch that is not idempotent.
const (
	NoProducer      ProducerID = -1
	NoProducerEpoch int16      = -1
	NoSequence      int32      = -1
)

// UnixMillis is wall-clock time in milliseconds since 1970, as Kafka stamps records. NoTimestamp means none.
type UnixMillis int64

// NoTimestamp is the timestamp of a record that has none.
const NoTimestamp UnixMillis = -1

// UUID is Kafka's 16-byte id of topics, directories and incarnations; its text form is URL-safe base64 without padding.
type UUID [16]byte

// String returns the 22 characters that Kafka prints for u.
func (u UUID) String() string { return base64.RawURLEncoding.EncodeToString(u[:]) }

// Append writes the same characters behind dst.
func (u UUID) Append(dst []byte) []byte { return base64.RawURLEncoding.AppendEncode(dst, u[:]) }

// IsZero reports whether u is the zero id, which names nothing.
func (u UUID) IsZero() bool { return u == UUID{} }

// ParseUUID reads Kafka's text form.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(u) {
		return u, errors.New("not a Kafka uuid (22 characters of URL-safe base64): " + strconv.Quote(s))
	}
	copy(u[:], b)
	return u, nil
}

// FrameID names the pooled buffer that a batch's bytes alias; NoFrame is ordinary memory, owned by whoever holds the slice.
type FrameID uint64

// NoFrame marks bytes that no pool waits for.
const NoFrame FrameID = 0
