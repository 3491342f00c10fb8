package main

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	clientID          = "differ"
	apiVersionsKey    = int16(18)
	defaultPartitions = 2
	// barrierTopic is Kafka's alone: settings of it show how far Kafka has carried out what it has answered.
	barrierTopic = "__barrier"
)

// side is one of the two brokers as the program sees it.
type side struct {
	name string
	link link
	ids  *ids
	mark int // of the barrier
}

// call sends a request in the side's own names, for the program's own needs.
func (s *side) call(req kmsg.Request) (kmsg.Response, error) {
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, req, 1)
	l := link{address: s.link.address, timeout: ownTimeout}
	defer l.close()
	out, err := l.exchange(frame, false)
	if err != nil {
		return nil, err
	}
	if out.frame == nil {
		return nil, fmt.Errorf("%s, asked for %T, %v", s.name, req, &out)
	}
	return decode(req, out.frame)
}

// served asks for the versions of each API.
func (s *side) served() (map[int16]versions, error) {
	resp, err := s.call(kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		return nil, err
	}
	out := map[int16]versions{}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		out[k.ApiKey] = versions{k.MinVersion, k.MaxVersion}
	}
	return out, nil
}

// frame encodes a request of common names in the side's own.
func (s *side) frame(o *op, correlation int32) ([]byte, error) {
	req := kmsg.RequestForKey(o.req.Key())
	req.SetVersion(o.req.GetVersion())
	if err := req.ReadFrom(o.req.AppendTo(nil)); err != nil {
		return nil, fmt.Errorf("%T cannot be copied: %w", o.req, err)
	}
	s.ids.outward(req)
	if p, ok := req.(*kmsg.ProduceRequest); ok {
		for i := range p.Topics {
			for j := range p.Topics[i].Partitions {
				records := p.Topics[i].Partitions[j].Records
				batches, _ := split(records)
				if len(batches) == 0 {
					batches = [][]byte{records}
				}
				for _, b := range batches {
					swapProducer(b, s.ids.out)
				}
			}
		}
	}
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, req, correlation)
	if o.spoil != nil {
		frame = o.spoil(frame)
	}
	return frame, nil
}

// read decodes an answer and puts it into common names.
func (s *side) read(req kmsg.Request, o *outcome) (kmsg.Response, error) {
	resp, err := decode(req, o.frame)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	switch r := resp.(type) {
	case *kmsg.InitProducerIDResponse:
		s.ids.learnProducer(r.ProducerID)
	case *kmsg.FetchResponse:
		s.ids.learnSession(r.SessionID)
	case *kmsg.CreateTopicsResponse:
		s.ids.validated(r)
	}
	s.ids.inward(resp)
	return resp, nil
}

// learn asks for all topics, so that the ids of new ones get their common names.
func (s *side) learn() (map[string]bool, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	resp, err := s.call(req)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, t := range resp.(*kmsg.MetadataResponse).Topics {
		if t.Topic != nil && t.ErrorCode == 0 {
			s.ids.learnTopic(*t.Topic, t.TopicID)
			names[*t.Topic] = true
		}
	}
	return names, nil
}

// settle waits until Kafka's broker has carried out all that its controller has answered: two settings made one after the other, each seen. When the second
// is seen, the first, and everything before it, is done.
func (s *side) settle() error {
	for range 2 {
		s.mark++
		value := fmt.Sprint(1_000_000 + s.mark)
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version = 1
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: barrierTopic,
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "retention.ms", Value: &value}}}}
		resp, err := s.call(req)
		if err != nil {
			return err
		}
		if code := resp.(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode; code != 0 {
			return fmt.Errorf("the barrier cannot be set: error %d", code)
		}
		if err := s.await(value); err != nil {
			return err
		}
	}
	return nil
}

func (s *side) await(value string) error {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version = 4
	req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: barrierTopic, ConfigNames: []string{"retention.ms"}}}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		resp, err := s.call(req)
		if err != nil {
			return err
		}
		for _, c := range resp.(*kmsg.DescribeConfigsResponse).Resources[0].Configs {
			if c.Value != nil && *c.Value == value {
				return nil
			}
		}
	}
	return fmt.Errorf("%s does not show its own settings within 10 s", s.name)
}

// prepare makes what has to be there before the first request: Kafka's barrier, its coordinators' topic and its producer ids. It learns the cluster's id.
func (s *side) prepare(kafka bool) error {
	resp, err := s.call(&kmsg.DescribeClusterRequest{})
	if err != nil {
		return err
	}
	s.ids.cluster = resp.(*kmsg.DescribeClusterResponse).ClusterID
	if !kafka {
		return nil
	}
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version, create.TimeoutMillis = 7, 10000
	create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: barrierTopic, NumPartitions: 1, ReplicationFactor: 1}}
	if resp, err = s.call(create); err != nil {
		return err
	}
	if code := resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode; code != 0 {
		return fmt.Errorf("%s refuses the barrier's topic: error %d", s.name, code)
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.Version, find.CoordinatorKey = 3, "group"
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if resp, err = s.call(find); err != nil {
			return err
		}
		var producer kmsg.Response
		if producer, err = s.call(kmsg.NewPtrInitProducerIDRequest()); err != nil {
			return err
		}
		if resp.(*kmsg.FindCoordinatorResponse).ErrorCode == 0 && producer.(*kmsg.InitProducerIDResponse).ErrorCode == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has no coordinator, or no producer ids, after 20 s", s.name)
		}
	}
}

// remove deletes topics that only this side has.
func (s *side) remove(names []string) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.TopicNames, req.TimeoutMillis = 5, names, 10000
	_, err := s.call(req)
	return err
}

// treeOf makes a tree of an answer.
func (s *side) treeOf(resp kmsg.Response) any { return toTree(reflect.ValueOf(resp), s.ids) }

// ends returns what the side says where the partitions of a Produce request end, as text.
func (s *side) ends(produce *kmsg.ProduceRequest) (string, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = 4, -1
	for i := range produce.Topics {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = produce.Topics[i].Topic
		for j := range produce.Topics[i].Partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = produce.Topics[i].Partitions[j].Partition, -1
			topic.Partitions = append(topic.Partitions, p)
		}
		req.Topics = append(req.Topics, topic)
	}
	resp, err := s.call(req)
	if err != nil {
		return "", err
	}
	var all []string
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			all = append(all, fmt.Sprint(t.Topic, p.Partition, p.ErrorCode, p.Offset))
		}
	}
	slices.Sort(all)
	return fmt.Sprint(all), nil
}
