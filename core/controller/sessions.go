package controller

import (
	"math"

	"odradek/core/image"
	"odradek/core/record"
)

// Sessions is who was heard from, and when: known to the active controller alone, and begun anew by the next one.
type Sessions struct {
	heard map[record.NodeID]session
	// leaves holds for a broker that shuts down up to where others must have read the log: they know then what they lead in its place.
	leaves map[record.NodeID]record.Offset
}

type session struct {
	at     int64         // monotonic time
	offset record.Offset // up to which the broker has read the metadata log; NoOffset: not heard yet
}

// Begin gives every broker a whole session: a new controller knows of none since when it is silent, and one that is fenced may be starting.
func (v *Sessions) Begin(img *image.Image, now int64) {
	*v = Sessions{heard: map[record.NodeID]session{}, leaves: map[record.NodeID]record.Offset{}}
	for b := range img.Brokers() {
		v.touch(b.ID, now, record.NoOffset)
	}
}

func (v *Sessions) touch(id record.NodeID, now int64, offset record.Offset) {
	v.heard[id] = session{now, offset}
}

func (v *Sessions) forget(id record.NodeID) {
	delete(v.heard, id)
	delete(v.leaves, id)
}

func (v *Sessions) lives(id record.NodeID, now, timeout int64) bool {
	s, ok := v.heard[id]
	return ok && now-s.at < timeout
}

// Renew gives every broker a whole session again: this node itself was away, so their silence says nothing.
func (v *Sessions) Renew(now int64) {
	for id, s := range v.heard { // any order: each by itself
		s.at = now
		v.heard[id] = s
	}
}

// sessionTime is broker.session.timeout.ms in nanoseconds.
func (s *State) sessionTime() int64 { return s.Config.Replication.SessionMs * 1_000_000 }

// SessionEnds returns when the next unfenced broker's session is over if nothing is heard; math.MaxInt64: never. This node's own broker lives as this node does.
func (s *State) SessionEnds(img *image.Image) int64 {
	end := int64(math.MaxInt64)
	for b := range img.Brokers() {
		if s.watched(b) {
			end = min(end, s.Sessions.heard[b.ID].at+s.sessionTime())
		}
	}
	return end
}

func (s *State) watched(b *image.Broker) bool { return !b.Fenced && b.Incarnation != s.Incarnation }

// Silent returns the broker whose session is over, if there is one: the first by id.
func (s *State) Silent(img *image.Image) (*image.Broker, bool) {
	for b := range img.Brokers() {
		if s.watched(b) && !s.Sessions.lives(b.ID, s.Now, s.sessionTime()) {
			return b, true
		}
	}
	return nil, false
}

// Fence returns the records that fence a broker: it leaves the ISRs, its partitions get other leaders, and last of all it is fenced, as in RegisterBroker.
func (s *State) Fence(img *image.Image, b *image.Broker) []image.Record {
	s.Sessions.forget(b.ID)
	return s.away(img, &image.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: 1})
}

func (s *State) away(img *image.Image, r *image.BrokerRegistrationChangeRecord) []image.Record {
	return append(s.newElection(img, r).departed(r.BrokerID, nothingLost), r)
}
