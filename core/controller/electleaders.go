package controller

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// ElectLeaders returns the records of the elections that a request asks for: of first replicas, or of anyone where nobody who is in sync can lead. Of all
// partitions (nil) every topic is told, and of its partitions only those with an outcome, as Kafka does.
func (s *State) ElectLeaders(img *image.Image, req *kmsg.ElectLeadersRequest) ([]image.Record, *kmsg.ElectLeadersResponse) {
	response := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	w := &electing{e: s.newElection(img), response: response, unclean: req.Version >= 1 && req.ElectionType == 1, seen: map[place]bool{}}
	if req.Version >= 1 && req.ElectionType != 0 && req.ElectionType != 1 {
		response.ErrorCode = int16(errcode.InvalidRequest)
		return nil, response
	}
	if req.Topics == nil {
		for t := range img.Topics() {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = t.Name
			response.Topics = append(response.Topics, out)
			for i := range t.Partitions {
				if code := w.elect(t, i); code != errcode.ElectionNotNeeded {
					w.add(t.Name, int32(i), code, electionTexts[code])
				}
			}
		}
		return w.records, response
	}
	for i := range req.Topics {
		t, ok := img.Topic(req.Topics[i].Topic)
		for _, partition := range req.Topics[i].Partitions {
			switch name := req.Topics[i].Topic; {
			case !ok:
				w.add(name, partition, errcode.UnknownTopicOrPartition, "No such topic as "+name)
			case partition < 0 || int(partition) >= len(t.Partitions):
				w.add(name, partition, errcode.UnknownTopicOrPartition, fmt.Sprintf("No such partition as %s-%d", name, partition))
			default:
				code := w.elect(t, int(partition))
				w.add(name, partition, code, electionTexts[code])
			}
		}
	}
	return w.records, response
}

// electionTexts are what Kafka says with each refusal: its tools print them.
var electionTexts = map[errcode.Code]string{
	errcode.ElectionNotNeeded:           "Leader election not needed for topic partition.",
	errcode.PreferredLeaderNotAvailable: "The preferred leader was not available.",
	errcode.EligibleLeadersNotAvailable: "Eligible topic partition leaders are not available.",
}

// electing is an ElectLeaders under way.
type electing struct {
	e        *election
	unclean  bool
	records  []image.Record
	response *kmsg.ElectLeadersResponse
	seen     map[place]bool
}

func (w *electing) add(topic string, partition int32, code errcode.Code, message string) {
	if n := len(w.response.Topics); n == 0 || w.response.Topics[n-1].Topic != topic {
		t := kmsg.NewElectLeadersResponseTopic()
		t.Topic = topic
		w.response.Topics = append(w.response.Topics, t)
	}
	p := kmsg.NewElectLeadersResponseTopicPartition()
	p.Partition, p.ErrorCode = partition, int16(code)
	if code != errcode.None {
		p.ErrorMessage = &message
	}
	t := &w.response.Topics[len(w.response.Topics)-1]
	t.Partitions = append(t.Partitions, p)
}

func (w *electing) elect(t *image.Topic, partition int) errcode.Code {
	p := t.Partitions[partition]
	at := place{t.ID, int32(partition)}
	if w.seen[at] || p.Leader != record.NoNode && (w.unclean || preferred(p)) {
		return errcode.ElectionNotNeeded
	}
	w.seen[at] = true
	c := w.e.change(t, partition, ask{prefer: !w.unclean, unclean: w.unclean})
	switch {
	case c != nil && c.Leader != image.LeaderSame && (w.unclean || c.Leader == p.Replicas[0]):
		w.records = append(w.records, c)
		return errcode.None
	case w.unclean:
		return errcode.EligibleLeadersNotAvailable
	}
	return errcode.PreferredLeaderNotAvailable
}

// preferred reports whether a partition is led by its first replica.
func preferred(p *image.Partition) bool { return len(p.Replicas) > 0 && p.Leader == p.Replicas[0] }

// maxRebalanced is how many leaders change at a time by themselves (Kafka's MAX_ELECTIONS_PER_IMBALANCE).
const maxRebalanced = 1000

// Rebalance returns the records that give leaderships back to first replicas that can lead, a bounded number. more: there are others.
func (s *State) Rebalance(img *image.Image) (records []image.Record, more bool) {
	e := s.newElection(img)
	for t := range img.Topics() {
		for i, p := range t.Partitions {
			if p.Leader == record.NoNode || preferred(p) || !slices.Contains(p.Isr, p.Replicas[0]) {
				continue
			}
			c := e.change(t, i, ask{prefer: true})
			if c == nil || c.Leader != p.Replicas[0] {
				continue
			}
			if len(records) == maxRebalanced {
				return records, true
			}
			records = append(records, c)
		}
	}
	return records, false
}
