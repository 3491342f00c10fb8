package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// Missing returns the topics that a Metadata request allows to be made and that could be: named, well-formed, not there. Before version 4 every request
// allows it.
func Missing(img *image.Image, req *kmsg.MetadataRequest) []string {
	if req.Version >= 4 && !req.AllowAutoTopicCreation {
		return nil
	}
	var names []string
	for i := range req.Topics {
		name := req.Topics[i].Topic
		if name == nil || byID(req) || config.CheckTopicName(*name) != nil {
			continue
		}
		if _, ok := img.Topic(*name); !ok {
			names = append(names, *name)
		}
	}
	return names
}

// Metadata answers Metadata from the image.
func Metadata(v *View, req *kmsg.MetadataRequest, at api.Reached) *kmsg.MetadataResponse {
	response := req.ResponseKind().(*kmsg.MetadataResponse)
	if req.Version < 12 && (byID(req) || unnamed(req)) { // versions 10 and 11 have the field, and do not know it yet
		for i := range req.Topics {
			out := kmsg.NewMetadataResponseTopic()
			out.Topic, out.TopicID, out.ErrorCode = req.Topics[i].Topic, req.Topics[i].TopicID, int16(errcode.InvalidRequest)
			response.Topics = append(response.Topics, out)
		}
		return response
	}
	response.ClusterID = &v.ClusterID
	response.ControllerID = int32(v.controller())
	if req.IncludeClusterAuthorizedOperations {
		response.AuthorizedOperations = clusterOperations
	}
	for b := range v.Image.Brokers() {
		if b.Fenced {
			continue
		}
		out := kmsg.NewMetadataResponseBroker()
		out.NodeID = int32(b.ID)
		out.Host, out.Port = v.endpoint(b, at)
		out.Rack = b.Rack
		response.Brokers = append(response.Brokers, out)
	}
	if req.Topics == nil || (req.Version == 0 && len(req.Topics) == 0) {
		for t := range v.Image.Topics() {
			response.Topics = append(response.Topics, v.describeTopic(t))
		}
	}
	for i := range req.Topics {
		if byID(req) && req.Topics[i].TopicID == [16]byte{} {
			continue // as Kafka: a request that names one topic by id is taken to do so with all
		}
		response.Topics = append(response.Topics, v.requestedTopic(&req.Topics[i]))
	}
	for i := range response.Topics {
		if t := &response.Topics[i]; req.IncludeTopicAuthorizedOperations && t.ErrorCode != int16(errcode.UnknownTopicID) {
			t.AuthorizedOperations = topicOperations
		}
	}
	return response
}

// controller is the broker that clients send administrators' requests to. Any will do, for each sends them on: this one, if it takes part, else the first that does.
func (v *View) controller() record.NodeID {
	first := record.NoNode
	for b := range v.Image.Brokers() {
		if !b.Fenced && (first == record.NoNode || b.ID == v.Self) {
			first = b.ID
		}
	}
	return first
}

// byID reports whether a request names topics by id.
func byID(req *kmsg.MetadataRequest) bool {
	return slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.TopicID != [16]byte{} })
}

func unnamed(req *kmsg.MetadataRequest) bool {
	return slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.Topic == nil })
}

func (v *View) requestedTopic(asked *kmsg.MetadataRequestTopic) kmsg.MetadataResponseTopic {
	if asked.Topic == nil || asked.TopicID != [16]byte{} {
		if t, ok := v.Image.TopicByID(asked.TopicID); ok {
			return v.describeTopic(t)
		}
		out := kmsg.NewMetadataResponseTopic()
		out.TopicID, out.ErrorCode = asked.TopicID, int16(errcode.UnknownTopicID)
		return out
	}
	if t, ok := v.Image.Topic(*asked.Topic); ok {
		return v.describeTopic(t)
	}
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.ErrorCode = asked.Topic, int16(errcode.UnknownTopicOrPartition)
	if config.CheckTopicName(*asked.Topic) != nil {
		out.ErrorCode = int16(errcode.InvalidTopicException)
	}
	return out
}

func (v *View) describeTopic(t *image.Topic) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	name := t.Name
	out.Topic, out.TopicID = &name, t.ID
	out.IsInternal = internal(name)
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(t.Partitions))
	for i := range t.Partitions {
		p := t.Partitions[i]
		q := kmsg.NewMetadataResponseTopicPartition()
		q.Partition, q.Leader, q.LeaderEpoch = int32(i), int32(p.Leader), int32(p.LeaderEpoch)
		if p.Leader == record.NoNode {
			q.ErrorCode = int16(errcode.LeaderNotAvailable)
		}
		q.Replicas, q.ISR = nodeNumbers(p.Replicas), nodeNumbers(p.Isr)
		q.OfflineReplicas = v.offline(p)
		out.Partitions = append(out.Partitions, q)
	}
	return out
}

// offline returns the replicas whose broker is not there, or lacks their directory.
func (v *View) offline(p *image.Partition) []int32 {
	var out []int32
	for _, id := range p.Replicas {
		if b, ok := v.Image.Broker(id); !ok || b.Fenced || !image.DirOnline(p.DirectoryOf(id), b.LogDirs) {
			out = append(out, int32(id))
		}
	}
	return out
}

func nodeNumbers(ids []record.NodeID) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}

// Node says where to reach a broker that may be asked: one that is registered and not fenced.
func (v *View) Node(id record.NodeID, at api.Reached) (api.Node, bool) {
	b, ok := v.Image.Broker(id)
	if !ok || b.Fenced {
		return api.Node{}, false
	}
	n := api.Node{ID: id, Rack: b.Rack}
	n.Host, n.Port = v.endpoint(b, at)
	return n, true
}

// endpoint is what clients are told to connect to for a broker: its endpoint of the listener that they reached us at. Where advertised.listeners has none of
// that name it is the first one; for ourselves the address that just worked.
func (v *View) endpoint(b *image.Broker, at api.Reached) (string, int32) {
	endpoints := b.Endpoints
	i := slices.IndexFunc(endpoints, func(e image.Endpoint) bool { return e.Name == at.Listener })
	if b.ID == v.Self && (len(v.Config.Advertised) == 0 || i < 0) {
		if host, port, ok := split(at.Address); ok {
			return host, port
		}
	}
	if len(endpoints) == 0 {
		return "", -1
	}
	e := endpoints[max(i, 0)]
	return e.Host, int32(e.Port)
}

// split takes host:port apart.
func split(address string) (host string, port int32, ok bool) {
	colon := strings.LastIndexByte(address, ':')
	if colon <= 0 {
		return "", 0, false
	}
	number, err := strconv.ParseUint(address[colon+1:], 10, 16)
	return strings.Trim(address[:colon], "[]"), int32(number), err == nil
}
