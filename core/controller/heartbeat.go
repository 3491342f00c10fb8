package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// ProducerIDBlock is how many producer ids a broker gets at a time (Kafka's ProducerIdsBlock).
const ProducerIDBlock = 1000

// checkEpoch refuses a request of a broker's other incarnation.
func checkEpoch(img *image.Image, id int32, epoch int64) (*image.Broker, errcode.Code) {
	b, ok := img.Broker(record.NodeID(id))
	if !ok || b.Epoch != epoch {
		return nil, errcode.StaleBrokerEpoch
	}
	return b, errcode.None
}

// Heartbeat returns what follows from a broker's sign of life. A fenced one that has read its own registration, and wants to be, is unfenced, and partitions
// without a leader get one; one that wants to shut down loses its leaderships, then may.
func (s *State) Heartbeat(img *image.Image, req *kmsg.BrokerHeartbeatRequest) ([]image.Record, *kmsg.BrokerHeartbeatResponse) {
	response := req.ResponseKind().(*kmsg.BrokerHeartbeatResponse)
	b, code := checkEpoch(img, req.BrokerID, req.BrokerEpoch)
	if code != errcode.None {
		if _, ok := img.Broker(record.NodeID(req.BrokerID)); !ok {
			code = errcode.BrokerIDNotRegistered
		}
		response.ErrorCode, response.IsFenced = int16(code), true
		return nil, response
	}
	s.Sessions.touch(b.ID, s.Now, record.Offset(req.CurrentMetadataOffset))
	response.IsCaughtUp = req.CurrentMetadataOffset >= b.Epoch
	records, img := s.directoriesOffline(img, b, req.OfflineLogDirs)
	b, _ = img.Broker(b.ID)
	switch {
	case b.Fenced && req.WantShutdown:
		response.ShouldShutdown = true
	case b.Fenced && !req.WantFence && response.IsCaughtUp:
		r := &image.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: -1}
		records = append(append(records, r), s.newElection(img, r).leaderless()...)
		b = &image.Broker{}
	case !b.Fenced && req.WantFence && !req.WantShutdown:
		records = append(records, s.Fence(img, b)...)
		b = &image.Broker{Fenced: true}
	case !b.Fenced && req.WantShutdown && !b.InControlledShutdown:
		r := &image.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, InControlledShutdown: 1}
		records = append(records, s.away(img, r)...)
		s.Sessions.leaves[b.ID] = s.Next + record.Offset(len(records))
	case !b.Fenced && req.WantShutdown && s.replaced(img, b):
		records = append(records, s.Fence(img, b)...)
		b, response.ShouldShutdown = &image.Broker{Fenced: true}, true
	}
	response.IsFenced = b.Fenced
	return records, response
}

// replaced reports whether a broker that shuts down leads nothing any more, and every broker that takes part has read the log so far: it leads in its place. What
// this very node has read is what is committed.
func (s *State) replaced(img *image.Image, b *image.Broker) bool {
	for t := range img.Topics() {
		if slices.ContainsFunc(t.Partitions, func(p *image.Partition) bool { return p.Leader == b.ID }) {
			return false
		}
	}
	for other := range img.Brokers() {
		if active(other) && other.ID != s.Self && s.Sessions.heard[other.ID].offset+1 < s.Sessions.leaves[b.ID] {
			return false
		}
	}
	return true
}

// directoriesOffline returns the records that follow when a broker has lost directories, and the image with them: it keeps the others, and leaves the ISRs of
// what lay in the lost ones. One that has none left is no use: it is to be fenced by its silence.
func (s *State) directoriesOffline(img *image.Image, b *image.Broker, offline [][16]byte) ([]image.Record, *image.Image) {
	r := &image.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch}
	for _, dir := range b.LogDirs {
		if !slices.Contains(offline, [16]byte(dir)) {
			r.LogDirs = append(r.LogDirs, dir)
		}
	}
	if len(r.LogDirs) == 0 || len(r.LogDirs) == len(b.LogDirs) {
		return nil, img
	}
	e := s.newElection(img, r)
	var records []image.Record
	for t := range img.Topics() {
		for i, p := range t.Partitions {
			if dir := p.DirectoryOf(b.ID); (p.Leader == b.ID || slices.Contains(p.Isr, b.ID)) && slices.Contains(offline, [16]byte(dir)) {
				if c := e.change(t, i, ask{leaves: &b.ID}); c != nil {
					records = append(records, c)
				}
			}
		}
	}
	records = append(records, r)
	return records, s.newElection(img, records...).img
}

// AllocateProducerIDs returns the record that gives a broker its next block of producer ids.
func (s *State) AllocateProducerIDs(img *image.Image, req *kmsg.AllocateProducerIDsRequest) ([]image.Record, *kmsg.AllocateProducerIDsResponse) {
	response := req.ResponseKind().(*kmsg.AllocateProducerIDsResponse)
	b, code := checkEpoch(img, req.BrokerID, req.BrokerEpoch)
	if code != errcode.None {
		response.ErrorCode = int16(code)
		return nil, response
	}
	first := img.NextProducerID()
	response.ProducerIDStart, response.ProducerIDLen = int64(first), ProducerIDBlock
	return []image.Record{&image.ProducerIDsRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, NextProducerID: first + ProducerIDBlock}}, response
}
