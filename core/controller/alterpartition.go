package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// AlterPartition returns the records that give partitions the ISRs which their leader proposes, and the reply: the partitions as they are then.
func (s *State) AlterPartition(img *image.Image, req *kmsg.AlterPartitionRequest) ([]image.Record, *kmsg.AlterPartitionResponse) {
	response := req.ResponseKind().(*kmsg.AlterPartitionResponse)
	b, code := checkEpoch(img, req.BrokerID, req.BrokerEpoch)
	if code != errcode.None {
		response.ErrorCode = int16(code)
		return nil, response
	}
	var records []image.Record
	e := s.newElection(img)
	seen := map[place]bool{}
	for i := range req.Topics {
		out := kmsg.NewAlterPartitionResponseTopic()
		out.Topic, out.TopidID = req.Topics[i].Topic, req.Topics[i].TopicID
		t, known := img.TopicByID(req.Topics[i].TopicID)
		for j := range req.Topics[i].Partitions {
			asked := &req.Topics[i].Partitions[j]
			p := kmsg.NewAlterPartitionResponseTopicPartition()
			p.Partition = asked.Partition
			code := errcode.UnknownTopicID
			if known {
				code = e.checkAlter(t, b, req.Version, asked)
			}
			at := place{req.Topics[i].TopicID, asked.Partition}
			if code == errcode.None && seen[at] {
				code = errcode.InvalidRequest
			}
			seen[at] = true
			if code == errcode.None {
				c := e.change(t, int(asked.Partition), ask{isr: proposed(asked), recovered: asked.LeaderRecoveryState == 0})
				if c == nil {
					c = repeat(t, asked.Partition)
				}
				records = append(records, c)
			}
			p.ErrorCode = int16(code)
			out.Partitions = append(out.Partitions, p)
		}
		response.Topics = append(response.Topics, out)
	}
	after := s.newElection(img, records...).img
	for i := range response.Topics {
		t, _ := after.TopicByID(response.Topics[i].TopidID)
		for j := range response.Topics[i].Partitions {
			if p := &response.Topics[i].Partitions[j]; p.ErrorCode == int16(errcode.None) {
				tellPartition(p, t.Partitions[p.Partition], b.ID)
			}
		}
	}
	return records, response
}

// repeat returns a record that changes nothing but the partition epoch. A leader asks for the ISR that there is when an earlier proposal had no answer and was refused
// when it was asked again: with another epoch the first can never be committed, should it still arrive.
func repeat(t *image.Topic, partition int32) *image.PartitionChangeRecord {
	c := image.NewPartitionChange()
	c.TopicID, c.PartitionID, c.Isr = t.ID, partition, slices.Clone(t.Partitions[partition].Isr)
	return c
}

// tellPartition fills in the state after the change. Where the proposal cost the leader its leadership it is told so.
func tellPartition(out *kmsg.AlterPartitionResponseTopicPartition, p *image.Partition, asked record.NodeID) {
	if p.Leader != asked {
		out.ErrorCode = int16(errcode.NewLeaderElected)
		return
	}
	out.LeaderID, out.LeaderEpoch, out.PartitionEpoch, out.LeaderRecoveryState = int32(p.Leader), int32(p.LeaderEpoch), p.PartitionEpoch, p.RecoveryState
	for _, id := range p.Isr {
		out.ISR = append(out.ISR, int32(id))
	}
}

// proposed is the ISR asked for, in the order given.
func proposed(asked *kmsg.AlterPartitionRequestTopicPartition) []record.NodeID {
	isr := []record.NodeID{}
	for _, id := range asked.NewISR {
		isr = append(isr, record.NodeID(id))
	}
	for i := range asked.NewEpochISR {
		isr = append(isr, record.NodeID(asked.NewEpochISR[i].BrokerID))
	}
	return isr
}

// online reports whether the directory stands in which a broker has its replica. Where it does not, nothing is fetched any more, whatever the leader heard before.
func (e *election) online(p *image.Partition, id record.NodeID) bool {
	b, ok := e.img.Broker(id)
	return ok && image.DirOnline(p.DirectoryOf(id), b.LogDirs)
}

// checkAlter checks a proposal, in the order of Kafka's controller. A leader that knows newer epochs than this controller speaks to one that is none any more.
func (e *election) checkAlter(t *image.Topic, b *image.Broker, version int16, asked *kmsg.AlterPartitionRequestTopicPartition) errcode.Code {
	if asked.Partition < 0 || int(asked.Partition) >= len(t.Partitions) {
		return errcode.UnknownTopicOrPartition
	}
	p := t.Partitions[asked.Partition]
	isr := proposed(asked)
	switch {
	case record.Epoch(asked.LeaderEpoch) > p.LeaderEpoch || asked.PartitionEpoch > p.PartitionEpoch:
		return errcode.NotController
	case record.Epoch(asked.LeaderEpoch) < p.LeaderEpoch:
		return errcode.FencedLeaderEpoch
	case p.Leader != b.ID:
		return errcode.InvalidRequest
	case asked.PartitionEpoch < p.PartitionEpoch:
		return errcode.InvalidUpdateVersion
	case !slices.Contains(isr, b.ID):
		return errcode.InvalidRequest
	case asked.LeaderRecoveryState != 0 && (len(isr) > 1 || p.RecoveryState == 0):
		return errcode.InvalidRequest
	}
	for i, id := range isr {
		if !slices.Contains(p.Replicas, id) || slices.Contains(isr[:i], id) {
			return errcode.InvalidRequest
		}
	}
	for i, id := range isr {
		if !e.eligible(id, version, asked, i) || !e.online(p, id) {
			return errcode.IneligibleReplica
		}
	}
	return errcode.None
}

// eligible reports whether a replica may be in the ISR: its broker takes part, and it is the very incarnation that the leader saw catch up. -1: the leader does not
// know the epoch, as of a replica that fetches with an older version.
func (e *election) eligible(id record.NodeID, version int16, asked *kmsg.AlterPartitionRequestTopicPartition, i int) bool {
	b, ok := e.img.Broker(id)
	if !ok || !active(b) {
		return false
	}
	if version < 3 {
		return true
	}
	epoch := asked.NewEpochISR[i].BrokerEpoch
	return epoch == -1 || epoch == b.Epoch
}
