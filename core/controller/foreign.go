package controller

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// placed is an answer and where it stands among all.
type placed[T any] struct {
	at     int
	answer T
}

// Foreign answers, as the broker that a client asked, what the client wants of the configs of another broker: each broker takes those of its own, as in Kafka, and the
// controller takes those of any. It returns the request without them, nil if nothing is left, and what puts the answers among the controller's, nil if there are none.
func (s *State) Foreign(body kmsg.Request) (rest kmsg.Request, put func(kmsg.Response)) {
	switch req := body.(type) {
	case *kmsg.IncrementalAlterConfigsRequest:
		kept := *req
		kept.Resources = nil
		var refused []placed[kmsg.IncrementalAlterConfigsResponseResource]
		seen := map[resource]int{}
		for i := range req.Resources {
			seen[resource{req.Resources[i].ResourceType, req.Resources[i].ResourceName}]++
		}
		for i, r := range req.Resources {
			of := resource{r.ResourceType, r.ResourceName}
			p := s.foreign(of)
			if p == nil || seen[of] > 1 || checkChanges(incremental(r.Configs)) != nil { // the controller refuses it for another reason
				kept.Resources = append(kept.Resources, r)
				continue
			}
			out := kmsg.NewIncrementalAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = of.kind, of.name, int16(p.Code), &p.Message
			refused = append(refused, placed[kmsg.IncrementalAlterConfigsResponseResource]{i, out})
		}
		if len(refused) > 0 {
			put = func(resp kmsg.Response) {
				all := resp.(*kmsg.IncrementalAlterConfigsResponse)
				all.Resources = merge(all.Resources, refused)
			}
		}
		return left(&kept, len(kept.Resources), put)
	case *kmsg.AlterConfigsRequest:
		kept := *req
		kept.Resources = nil
		var refused []placed[kmsg.AlterConfigsResponseResource]
		seen := map[resource]int{}
		for i := range req.Resources {
			seen[resource{req.Resources[i].ResourceType, req.Resources[i].ResourceName}]++
		}
		for i, r := range req.Resources {
			of := resource{r.ResourceType, r.ResourceName}
			p := s.foreign(of)
			if p == nil || seen[of] > 1 || checkChanges(whole(r.Configs)) != nil {
				kept.Resources = append(kept.Resources, r)
				continue
			}
			out := kmsg.NewAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName, out.ErrorCode, out.ErrorMessage = of.kind, of.name, int16(p.Code), &p.Message
			refused = append(refused, placed[kmsg.AlterConfigsResponseResource]{i, out})
		}
		if len(refused) > 0 {
			put = func(resp kmsg.Response) {
				all := resp.(*kmsg.AlterConfigsResponse)
				all.Resources = merge(all.Resources, refused)
			}
		}
		return left(&kept, len(kept.Resources), put)
	}
	return body, nil
}

// left is what is left of a request; one that was empty from the start is the controller's.
func left(req kmsg.Request, resources int, put func(kmsg.Response)) (kmsg.Request, func(kmsg.Response)) {
	if resources == 0 && put != nil {
		return nil, put
	}
	return req, put
}

// merge puts answers at their places, which are in order.
func merge[T any](answers []T, refused []placed[T]) []T {
	for _, r := range refused {
		answers = slices.Insert(answers, min(r.at, len(answers)), r.answer)
	}
	return answers
}

// foreign says what is wrong with the configs of a broker that is not this one.
func (s *State) foreign(of resource) *Problem {
	if of.kind != kmsg.ConfigResourceTypeBroker || of.name == "" {
		return nil
	}
	if id, err := strconv.ParseInt(of.name, 10, 32); err != nil || record.NodeID(id) != s.Self || strconv.Itoa(int(id)) != of.name {
		return problem(errcode.InvalidRequest, "Unexpected broker id, expected %d or empty string, but received %s", s.Self, of.name)
	}
	return nil
}
