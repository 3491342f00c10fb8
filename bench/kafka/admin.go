package kafka

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

const (
	callTimeout   = time.Minute
	leaderTimeout = 2 * time.Minute // Apache Kafka takes half of it for 1 000 partitions on a busy disk
	leaderPause   = 5 * time.Millisecond
)

// DialAny connects to the first address that answers.
func DialAny(bootstrap []string) (c *Conn, err error) {
	for _, address := range bootstrap {
		if c, err = Dial(strings.TrimSpace(address), callTimeout); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// ErrExists is wrapped by the error of CreateTopic for a topic that is there.
var ErrExists = errors.New("TOPIC_ALREADY_EXISTS")

// CreateTopic makes a topic. A controller that lost its place while it made it answers NOT_CONTROLLER, and the next one may find it made: then it is ours.
func (c *Conn) CreateTopic(name string, partitions, replicas int, configs map[string]string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(4)
	req.TimeoutMillis = int32(callTimeout.Milliseconds())
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, int32(partitions), int16(replicas)
	for key, value := range configs {
		e := kmsg.NewCreateTopicsRequestTopicConfig()
		e.Name, e.Value = key, &value
		t.Configs = append(t.Configs, e)
	}
	req.Topics = append(req.Topics, t)
	again := false
	return retried("CreateTopics "+name, func() (errcode.Code, error) {
		before := again
		again = true
		resp, err := c.Call(req, callTimeout)
		if err != nil {
			return errcode.None, err
		}
		for _, t := range resp.(*kmsg.CreateTopicsResponse).Topics {
			switch code := errcode.Code(t.ErrorCode); {
			case code == errcode.TopicAlreadyExists && !before:
				return errcode.None, ErrExists
			case code != errcode.TopicAlreadyExists && code != errcode.None:
				return code, nil
			}
		}
		return errcode.None, nil
	})
}

// electionMax bounds the wait for a controller: a cluster that was held may have to elect one, and take its brokers in again.
const electionMax = 20 * time.Second

// retried asks again while there is no controller, or too few brokers for the replicas of a topic.
func retried(what string, ask func() (errcode.Code, error)) error {
	for deadline := time.Now().Add(electionMax); ; time.Sleep(10 * leaderPause) {
		code, err := ask()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
		case code == errcode.None:
			return nil
		case code != errcode.NotController && code != errcode.InvalidReplicationFactor || time.Now().After(deadline):
			return fmt.Errorf("%s: %v", what, code)
		}
	}
}

// DeleteTopic removes a topic.
func (c *Conn) DeleteTopic(name string) error {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(3)
	req.TimeoutMillis, req.TopicNames = int32(callTimeout.Milliseconds()), []string{name}
	return retried("DeleteTopics "+name, func() (errcode.Code, error) {
		resp, err := c.Call(req, callTimeout)
		if err != nil {
			return errcode.None, err
		}
		for _, t := range resp.(*kmsg.DeleteTopicsResponse).Topics {
			if t.ErrorCode != 0 {
				return errcode.Code(t.ErrorCode), nil
			}
		}
		return errcode.None, nil
	})
}

// Leaders waits until each partition of a topic has a leader that knows of it, and returns their addresses by partition.
func (c *Conn) Leaders(topic string, partitions int) ([]string, error) {
	for deadline := time.Now().Add(leaderTimeout); ; time.Sleep(leaderPause) {
		leaders, missing, err := c.leaders(topic, partitions)
		if err == nil && missing == 0 {
			missing, err = led(topic, leaders)
		}
		if err != nil || missing == 0 {
			return leaders, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d of %d partitions of %s have no leader after %v", missing, partitions, topic, leaderTimeout)
		}
	}
}

// led counts the partitions whose leader does not serve them yet: Apache Kafka names a leader in its metadata before the broker has made the partition.
func led(topic string, leaders []string) (missing int, err error) {
	byAddress := map[string]*kmsg.ListOffsetsRequest{}
	for p, address := range leaders {
		req := byAddress[address]
		if req == nil {
			req = kmsg.NewPtrListOffsetsRequest()
			req.SetVersion(2)
			req.ReplicaID, req.Topics = -1, []kmsg.ListOffsetsRequestTopic{{Topic: topic}}
			byAddress[address] = req
		}
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp = int32(p), -2 // the start: known as soon as the partition is
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, one)
	}
	for address, req := range byAddress { // any order: each answers for its own
		n, err := unserved(address, req)
		if err != nil {
			return 0, err
		}
		missing += n
	}
	return missing, nil
}

func unserved(address string, req *kmsg.ListOffsetsRequest) (missing int, err error) {
	c, err := Dial(address, callTimeout)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	resp, err := c.Call(req, callTimeout)
	if err != nil {
		return 0, fmt.Errorf("ListOffsets: %w", err)
	}
	for _, t := range resp.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				missing++
			}
		}
	}
	return missing, nil
}

// metadata asks for brokers, and for a topic if one is named.
func (c *Conn) metadata(topic string) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(8)
	req.Topics = []kmsg.MetadataRequestTopic{}
	if topic != "" {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &topic
		req.Topics = append(req.Topics, t)
	}
	resp, err := c.Call(req, callTimeout)
	if err != nil {
		return nil, fmt.Errorf("Metadata: %w", err)
	}
	return resp.(*kmsg.MetadataResponse), nil
}

// Ready says what is missing until each of these brokers knows of so many.
func Ready(addresses []string, brokers int) error {
	for _, address := range addresses {
		c, err := Dial(address, callTimeout)
		if err != nil {
			return err
		}
		m, err := c.metadata("")
		c.Close()
		if err != nil {
			return err
		}
		if len(m.Brokers) < brokers {
			return fmt.Errorf("%s knows of %d of %d brokers", address, len(m.Brokers), brokers)
		}
	}
	return nil
}

// AwaitBrokers waits until each of these brokers knows of so many.
func AwaitBrokers(addresses []string, brokers int, most time.Duration) error {
	for deadline := time.Now().Add(most); ; time.Sleep(leaderPause) {
		err := Ready(addresses, brokers)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func (c *Conn) leaders(topic string, partitions int) (leaders []string, missing int, err error) {
	m, err := c.metadata(topic)
	if err != nil {
		return nil, 0, err
	}
	brokers := map[int32]string{}
	for _, b := range m.Brokers {
		brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	leaders = make([]string, partitions)
	missing = partitions
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			if p.Partition >= 0 && int(p.Partition) < partitions && p.ErrorCode == 0 && brokers[p.Leader] != "" && leaders[p.Partition] == "" {
				leaders[p.Partition] = brokers[p.Leader]
				missing--
			}
		}
	}
	return leaders, missing, nil
}

// Serves reports whether the broker knows an API.
func (c *Conn) Serves(key int16) (bool, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	resp, err := c.Call(req, callTimeout)
	if err != nil {
		return false, fmt.Errorf("ApiVersions: %w", err)
	}
	return slices.ContainsFunc(resp.(*kmsg.ApiVersionsResponse).ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == key }), nil
}

// Coordinates says what is missing until consumer groups are served.
func (c *Conn) Coordinates(group string) error {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(2)
	req.CoordinatorKey = group
	resp, err := c.Call(req, callTimeout)
	if err != nil {
		return fmt.Errorf("FindCoordinator: %w", err)
	}
	if code := errcode.Code(resp.(*kmsg.FindCoordinatorResponse).ErrorCode); code != errcode.None {
		return fmt.Errorf("FindCoordinator: %v", code)
	}
	return nil
}

// Fetch asks for records of partitions of a topic, each from its offset, waiting up to wait for the first byte. The response is valid until the next call.
func (c *Conn) Fetch(topic string, offsets map[int32]int64, wait time.Duration, most int32) (*kmsg.FetchResponse, error) {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, int32(wait.Milliseconds()), 1, most, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	for partition, offset := range offsets {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, most
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	resp, err := c.Call(req, wait+callTimeout)
	if err != nil {
		return nil, fmt.Errorf("Fetch: %w", err)
	}
	f := resp.(*kmsg.FetchResponse)
	if f.ErrorCode != 0 {
		return nil, fmt.Errorf("Fetch: %v", errcode.Code(f.ErrorCode))
	}
	return f, nil
}
