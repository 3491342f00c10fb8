package wire

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
)

// Features are the cluster's features as ApiVersions (v3 on) tells them. FinalizedEpoch is −1 while nothing is finalized.
type Features struct {
	Supported      []kmsg.ApiVersionsResponseSupportedFeature
	Finalized      []kmsg.ApiVersionsResponseFinalizedFeature
	FinalizedEpoch int64
}

// apiVersions answers ApiVersions with what the listener serves. A version beyond ours gets the body of version 0 with UNSUPPORTED_VERSION and our range of this one key: the
// client can read that whatever it speaks, and tries again within the range. The connection stays open.
func apiVersions(version int16, body []byte, table []api.Range, features func() Features) (*kmsg.ApiVersionsResponse, error) {
	own, _ := api.Lookup(api.ApiVersions)
	resp := kmsg.NewPtrApiVersionsResponse()
	if version < own.Min || version > own.Max {
		resp.SetVersion(0)
		resp.ErrorCode = int16(errcode.UnsupportedVersion)
		resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{rangeOf(own)}
		return resp, nil
	}
	resp.SetVersion(version)
	req, err := decodeBody(api.ApiVersions, version, body)
	if err != nil {
		return nil, err
	}
	asked := req.(*kmsg.ApiVersionsRequest)
	if version >= 3 && !(softwareName(asked.ClientSoftwareName) && softwareName(asked.ClientSoftwareVersion)) {
		resp.ErrorCode = int16(errcode.InvalidRequest)
		return resp, nil
	}
	resp.ApiKeys = make([]kmsg.ApiVersionsResponseApiKey, 0, len(table))
	for _, r := range table {
		resp.ApiKeys = append(resp.ApiKeys, rangeOf(r))
	}
	if version >= 3 && features != nil {
		f := features()
		resp.SupportedFeatures = reachable(f.Supported, version)
		resp.FinalizedFeatures = f.Finalized
		resp.FinalizedFeaturesEpoch = f.FinalizedEpoch
	}
	return resp, nil
}

func rangeOf(r api.Range) kmsg.ApiVersionsResponseApiKey {
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = int16(r.Key), r.Min, r.Max
	return k
}

// reachable leaves out features whose least version is 0 below version 4: older Java clients take that for an error.
func reachable(all []kmsg.ApiVersionsResponseSupportedFeature, version int16) []kmsg.ApiVersionsResponseSupportedFeature {
	if version >= 4 {
		return all
	}
	var out []kmsg.ApiVersionsResponseSupportedFeature
	for _, f := range all {
		if f.MinVersion > 0 {
			out = append(out, f)
		}
	}
	return out
}

// softwareName reports whether s may name a client's software or its version (KIP-511): letters, digits, '-' and '.', not at the ends.
func softwareName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || i == len(s)-1 || c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}
