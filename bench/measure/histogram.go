package measure

import (
	"io"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Histogram counts durations in nanoseconds, from 1 µs to 60 s, to three digits. Each worker has its own; they are merged afterwards.
type Histogram struct{ h *hdr.Histogram }

// The range of a histogram. What is shorter or longer counts as the end.
const (
	shortest = int64(time.Microsecond)
	longest  = int64(time.Minute)
	digits   = 3
)

// NewHistogram returns an empty one.
func NewHistogram() *Histogram { return &Histogram{hdr.New(shortest, longest, digits)} }

// Record counts one duration.
func (h *Histogram) Record(ns int64) {
	_ = h.h.RecordValue(min(max(ns, 0), longest)) // in range: it cannot fail
}

// Merge adds what others counted.
func (h *Histogram) Merge(others ...*Histogram) {
	for _, o := range others {
		if o != nil {
			h.h.Merge(o.h)
		}
	}
}

// Count is the number of durations.
func (h *Histogram) Count() int64 {
	if h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// Max is the longest, as exact as the histogram is.
func (h *Histogram) Max() int64 { return h.h.Max() }

// Min is the shortest, as exact as the histogram is.
func (h *Histogram) Min() int64 { return h.h.Min() }

// enoughBeyond is how many durations must lie beyond a percentile for it to be told.
const enoughBeyond = 1

// Percentile is the duration in nanoseconds below which p per cent lie. It is not known (ok false) where fewer than one lies beyond.
func (h *Histogram) Percentile(p float64) (ns int64, ok bool) {
	if float64(h.Count())*(100-p)/100 < enoughBeyond-1e-9 {
		return 0, false
	}
	return h.h.ValueAtPercentile(p), true
}

// Encode returns the histogram in HdrHistogram's V2 form, compressed, as text.
func (h *Histogram) Encode() (string, error) {
	b, err := h.h.Encode(hdr.V2CompressedEncodingCookieBase)
	return string(b), err
}

// DecodeHistogram reads what Encode returned.
func DecodeHistogram(s string) (*Histogram, error) {
	h, err := hdr.Decode([]byte(s))
	if err != nil {
		return nil, err
	}
	out := NewHistogram()
	out.h.Merge(h)
	return out, nil
}

// Log writes histograms as HdrHistogram logs hold them, one interval a line, tagged.
type Log struct {
	w *hdr.HistogramLogWriter
}

// NewLog writes the head of a log.
func NewLog(w io.Writer, comment string) (*Log, error) {
	l := &Log{hdr.NewHistogramLogWriter(w)}
	if err := l.w.OutputComment("#[" + comment + "]\n"); err != nil {
		return nil, err
	}
	if err := l.w.OutputLogFormatVersion(); err != nil {
		return nil, err
	}
	return l, l.w.OutputLegend()
}

// Write writes one histogram under a tag, which must hold neither comma nor blank.
func (l *Log) Write(tag string, h *Histogram, begun time.Time, length time.Duration) error {
	c := h.h.Clone()
	c.SetTag(tag)
	c.SetStartTimeMs(begun.UnixMilli())
	c.SetEndTimeMs(begun.Add(length).UnixMilli())
	return l.w.OutputIntervalHistogram(c)
}
