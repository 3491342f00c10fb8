// Package producer keeps the state of idempotent producers of one partition: the last five batches of each producer id, by which a retry is
// recognised and a gap refused (KIP-98, KIP-185). It never sees the log: the root asks it before an append and tells it after.
package producer

import "odradek/core/record"

// Window is the number of batches remembered for each producer id: as many as a client may have in flight (KIP-185).
const Window = 5

// Appended is one remembered batch.
type Appended struct {
	FirstSequence int32
	LastSequence  int32
	BaseOffset    record.Offset
	LastOffset    record.Offset
	Timestamp     record.UnixMillis // max timestamp of the batch
}

// Entry is the state of one producer id: what recovery finds and a snapshot holds. Batches[:Count] rise by sequence.
type Entry struct {
	ID      record.ProducerID
	Epoch   int16
	Count   int8
	Batches [Window]Appended
}
