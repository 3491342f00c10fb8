package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// AssignReplicasToDirs returns the records that write down in which directories a broker keeps partitions (KIP-858). What had no leader because its directory
// was gone has one again, and the other way round.
func (s *State) AssignReplicasToDirs(img *image.Image, req *kmsg.AssignReplicasToDirsRequest) ([]image.Record, *kmsg.AssignReplicasToDirsResponse) {
	response := req.ResponseKind().(*kmsg.AssignReplicasToDirsResponse)
	b, code := checkEpoch(img, req.BrokerID, req.BrokerEpoch)
	if img.Feature(image.MetadataVersion) < image.MetadataVersionDirectories {
		code = errcode.UnsupportedVersion
	}
	if code != errcode.None {
		response.ErrorCode = int16(code)
		return nil, response
	}
	var records []image.Record
	e := s.newElection(img)
	seen := map[place]bool{}
	for i := range req.Directories {
		asked := &req.Directories[i]
		dir := kmsg.NewAssignReplicasToDirsResponseDirectory()
		dir.ID = asked.ID
		for j := range asked.Topics {
			topic := kmsg.NewAssignReplicasToDirsResponseDirectoryTopic()
			topic.TopicID = asked.Topics[j].TopicID
			for _, p := range asked.Topics[j].Partitions {
				out := kmsg.NewAssignReplicasToDirsResponseDirectoryTopicPartition()
				out.Partition = p.Partition
				at := place{topic.TopicID, p.Partition}
				c, code := e.assign(b, at, dir.ID, seen[at])
				if seen[at] = true; c != nil {
					records = append(records, c)
				}
				out.ErrorCode = int16(code)
				topic.Partitions = append(topic.Partitions, out)
			}
			dir.Topics = append(dir.Topics, topic)
		}
		response.Directories = append(response.Directories, dir)
	}
	return records, response
}

// place is a partition that a request names.
type place struct {
	topic     record.UUID
	partition int32
}

// othersEligible reports whether somebody else than a broker may lead a partition and has all that is committed.
func othersEligible(p *image.Partition, id record.NodeID) bool {
	other := func(r record.NodeID) bool { return r != id }
	return slices.ContainsFunc(p.Isr, other) || slices.ContainsFunc(p.Elr, other)
}

// assign writes down where a broker keeps a replica. One that is in a lost directory has not all of what it promised: it leaves the ELR, too.
func (e *election) assign(b *image.Broker, at place, dir record.UUID, again bool) (*image.PartitionChangeRecord, errcode.Code) {
	t, ok := e.img.TopicByID(at.topic)
	switch {
	case !ok:
		return nil, errcode.UnknownTopicID
	case at.partition < 0 || int(at.partition) >= len(t.Partitions):
		return nil, errcode.UnknownTopicOrPartition
	case again:
		return nil, errcode.InvalidRequest
	}
	p := t.Partitions[at.partition]
	k := slices.Index(p.Replicas, b.ID)
	if k < 0 {
		return nil, errcode.NotLeaderOrFollower
	}
	if p.DirectoryOf(b.ID) == dir {
		return nil, errcode.None
	}
	dirs := make([]record.UUID, len(p.Replicas))
	for i, r := range p.Replicas {
		dirs[i] = p.DirectoryOf(r)
	}
	dirs[k] = dir
	a := ask{directories: dirs}
	if !image.DirOnline(dir, b.LogDirs) {
		a.leaves = &b.ID
	}
	if a.lost = dir == image.DirLost; a.lost && !othersEligible(p, b.ID) {
		return nil, errcode.EligibleLeadersNotAvailable // what is left of it is all that there is
	}
	return e.change(t, int(at.partition), a), errcode.None
}
