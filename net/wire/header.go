package wire

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
)

// The first versions of the hot keys that are flexible (KIP-482): compact lengths, and tagged fields behind each structure.
const (
	produceFlexible = 9
	fetchFlexible   = 12
)

// flexible reports whether requests and responses of that key and version are flexible; kmsg tells it of cold keys.
func flexible(key api.Key, version int16) bool {
	switch key {
	case api.Produce:
		return version >= produceFlexible
	case api.Fetch:
		return version >= fetchFlexible
	}
	req := kmsg.RequestForKey(int16(key))
	if req == nil {
		return false
	}
	req.SetVersion(version)
	return req.IsFlexible()
}

// responseTags reports whether the header of a response has tagged fields (header version 1): in flexible versions, but never for ApiVersions,
// which a client must be able to read before it knows what the broker speaks (KIP-511).
func responseTags(key api.Key, flex bool) bool { return flex && key != api.ApiVersions }

// readHeader reads the header of a request, version 1 or, where flex, 2. It returns the client id, not copied, and leaves c at the body.
func readHeader(c *cursor, flex bool) (clientID []byte) {
	c.span(frameMin)
	// The client id keeps its two-byte length in flexible headers too.
	c.flex = false
	clientID = c.str()
	c.flex = flex
	c.tags(nil)
	return clientID
}

// appendResponseHeader writes the size field, to be filled by sealSize, and the header.
func appendResponseHeader(dst []byte, correlation int32, tags bool) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = appendI32(dst, correlation)
	return appendNoTags(dst, tags)
}

// AppendRequest appends a whole request frame, size included, of the version set in req. The client's side.
func AppendRequest(dst []byte, correlation int32, clientID string, req kmsg.Request) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = appendI16(dst, req.Key())
	dst = appendI16(dst, req.GetVersion())
	dst = appendI32(dst, correlation)
	dst = appendString(dst, clientID, false)
	dst = appendNoTags(dst, req.IsFlexible())
	return sealSize(req.AppendTo(dst), at, 0)
}

// sealSize writes the size of the frame that begins at into its size field; beyond counts the bytes that follow dst.
func sealSize(dst []byte, at int, beyond int64) []byte {
	n := int64(len(dst)-at-4) + beyond
	copy(dst[at:], appendI32(nil, int32(n)))
	return dst
}

// DecodeResponse reads the response frame, without its size field, of req. The client's side: it trusts the broker's array lengths as far as
// kmsg does, so the caller bounds the frame. The response may alias frame.
func DecodeResponse(req kmsg.Request, frame []byte) (correlation int32, resp kmsg.Response, err error) {
	c := cursor{b: frame}
	correlation = c.i32()
	c.flex = responseTags(api.Key(req.Key()), req.IsFlexible())
	c.tags(nil)
	if c.err != nil {
		return 0, nil, fmt.Errorf("%v response: header: %w", api.Key(req.Key()), c.err)
	}
	resp = req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(c.b); err != nil {
		return correlation, nil, fmt.Errorf("%w: %v response v%d: %v", ErrMalformed, api.Key(req.Key()), req.GetVersion(), err)
	}
	return correlation, resp, nil
}

// Split returns the first whole frame in stream, without its size field, and what follows it; ok is false while it is not complete. It is how a
// client cuts responses. A size below 4 or above max is an error.
func Split(stream []byte, max int) (frame, rest []byte, ok bool, err error) {
	if len(stream) < 4 {
		return nil, stream, false, nil
	}
	c := cursor{b: stream}
	size := int(c.i32())
	if size < 4 || size > max {
		return nil, stream, false, fmt.Errorf("%w: a response of %d bytes; allowed are 4 to %d", ErrFrame, size, max)
	}
	if len(c.b) < size {
		return nil, stream, false, nil
	}
	return c.b[:size:size], c.b[size:], true, nil
}

// decodeBody decodes the body of a cold request whose shape has a row. The request may alias body.
func decodeBody(key api.Key, version int16, body []byte) (kmsg.Request, error) {
	fields, ok := shapes[key]
	req := kmsg.RequestForKey(int16(key))
	if !ok || req == nil || version > req.MaxVersion() {
		return nil, fmt.Errorf("%w: no decoder", ErrMalformed)
	}
	req.SetVersion(version)
	c := cursor{b: body, flex: req.IsFlexible()}
	if walk(&c, fields, version); c.err != nil {
		return nil, c.err
	}
	if err := req.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return req, nil
}
