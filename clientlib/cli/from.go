package cli

import (
	"strconv"
	"strings"
	"time"

	"odradek/clientlib/proto"
	"odradek/core/record"
)

// timeLayouts are those that --from takes, in local time where no zone is said.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

// parseFrom reads where to begin.
func parseFrom(text string, now time.Time) (start proto.Start, atEnd bool, err error) {
	switch text {
	case "earliest", "start", "beginning":
		return proto.Earliest(), false, nil
	case "latest", "end":
		return proto.Latest(0), true, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if strings.HasPrefix(text, "-") {
			return proto.Latest(-n), false, nil
		}
		return proto.At(record.Offset(n)), false, nil
	}
	at := func(t time.Time) (proto.Start, bool, error) {
		return proto.AtTime(record.UnixMillis(t.UnixMilli())), false, nil
	}
	if ms, ok := strings.CutPrefix(text, "@"); ok {
		if n, err := strconv.ParseInt(ms, 10, 64); err == nil && n >= 0 {
			return at(time.UnixMilli(n))
		}
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		if d, err := time.ParseDuration(ago); err == nil {
			return at(now.Add(-d))
		}
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return at(t)
		}
	}
	return start, false, usagef("--from %s: want earliest, latest, an offset, -N for the last N, a time such as 2026-01-31T12:00 or @MILLISECONDS, or -10m for ten minutes ago", text)
}
