package controller

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

// TestForeignBrokers: a broker that a client asks takes configs of its own and of all; those of another broker it refuses itself, and the rest is the controller's. The
// controller takes those of every broker that is registered. The answers are in the order of what was asked.
func TestForeignBrokers(t *testing.T) {
	s, img := state(t), brokers(t, 1, 2)
	value := "1"
	ask := kmsg.NewPtrIncrementalAlterConfigsRequest()
	older := kmsg.NewPtrAlterConfigsRequest()
	for _, name := range []string{"2", "1", "x", ""} {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, name
		r.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{step("log.retention.ms", set1, value)}
		ask.Resources = append(ask.Resources, r)
		o := kmsg.NewAlterConfigsRequestResource()
		o.ResourceType, o.ResourceName = r.ResourceType, name
		o.Configs = []kmsg.AlterConfigsRequestResourceConfig{{Name: "log.retention.ms", Value: &value}}
		older.Resources = append(older.Resources, o)
	}
	made, resp := s.IncrementalAlterConfigs(img, ask)
	if len(made) != 3 || resp.Resources[0].ErrorCode != 0 || errcode.Code(resp.Resources[2].ErrorCode) != errcode.InvalidRequest {
		t.Errorf("the controller: %d records, %+v", len(made), resp.Resources)
	}
	want := "[2 INVALID_REQUEST 1 NONE x INVALID_REQUEST  NONE]"
	rest, put := s.Foreign(ask)
	_, resp = s.IncrementalAlterConfigs(img, rest.(*kmsg.IncrementalAlterConfigsRequest))
	put(resp)
	var got []string
	for _, r := range resp.Resources {
		got = append(got, r.ResourceName, errcode.Code(r.ErrorCode).String())
	}
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	rest, put = s.Foreign(older)
	_, whole := s.AlterConfigs(img, rest.(*kmsg.AlterConfigsRequest))
	put(whole)
	got = nil
	for _, r := range whole.Resources {
		got = append(got, r.ResourceName, errcode.Code(r.ErrorCode).String())
	}
	if fmt.Sprint(got) != want {
		t.Errorf("AlterConfigs: %v, want %s", got, want)
	}
	ask.Resources = ask.Resources[:1]
	if rest, put := s.Foreign(ask); rest != nil || put == nil {
		t.Errorf("nothing is left for the controller, and that is %v", rest)
	}
	ask.Resources = append(ask.Resources, ask.Resources[0])
	if rest, put := s.Foreign(ask); rest == nil || put != nil {
		t.Error("a resource that is named twice is the controller's to refuse")
	}
	bad := step("log.retention.ms", 77, value)
	ask.Resources = ask.Resources[:1]
	ask.Resources[0].Configs = append(ask.Resources[0].Configs, bad)
	if rest, put := s.Foreign(ask); rest == nil || put != nil {
		t.Error("a change of no known kind is the controller's to refuse")
	}
	older.Resources = older.Resources[:1]
	older.Resources[0].Configs[0].Value = nil
	if rest, put := s.Foreign(older); rest == nil || put != nil {
		t.Error("a config without a value is the controller's to refuse")
	}
	older.Resources = nil
	if rest, put := s.Foreign(older); rest == nil || put != nil {
		t.Error("a request for nothing is the controller's to answer")
	}
}
