package execution

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// walkStepsMax bounds one walk.
const walkStepsMax = 80

// TestLaws walks at random. The laws are in rig.do, walker.again and
// walker.stepCrash: they hold after each step.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w *walker
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") }
		defer func() {
			if w != nil && t.Failed() {
				for _, line := range w.trace {
					t.Log(line)
				}
			}
		}()
		w = newWalker(t, pick)
		for range pick(walkStepsMax) {
			if !w.step() {
				return
			}
		}
	})
}

// FuzzCommands is the same walk, chosen by bytes.
func FuzzCommands(f *testing.F) {
	f.Add([]byte("\x05\x05\x05\x05\x05\x05\x05\x05\x05\x05 a start, then some steps of everything \x00\x03\x01\x07\x09"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		w := newWalker(t, func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			next := int(choices[0])
			choices = choices[1:]
			if n > 256 && len(choices) > 0 {
				next = next<<8 | int(choices[0])
				choices = choices[1:]
			}
			return next % n
		})
		for steps := 0; len(choices) > 0 && steps < walkStepsMax && w.step(); steps++ {
		}
	})
}

// FuzzDecode: bytes that are no state are refused; others are read once and for all.
func FuzzDecode(f *testing.F) {
	r := newRig(f)
	r.begin(startOf(args{"parent": "p", "callbacks": "one,two"}))
	f.Add(r.durable)
	_, err := r.startTask()
	require.NoError(f, err)
	_, err = r.complete(completion(args{"sticky": "mine", "build": "v1"}, "activity id=a\ntimer id=t after=1s\nchild id=c\nsignal-other id=x\ncancel-other id=x\nmemo value=x"))
	require.NoError(f, err)
	f.Add(r.durable)
	require.NoError(f, r.startActivity("a"))
	_, err = r.do(FailActivity{Activity: r.started["a"], Failure: args{}.failure(), HeartbeatDetails: text("half")})
	require.NoError(f, err)
	_, err = r.do(Signal{Name: "s", RequestID: "one"})
	require.NoError(f, err)
	_, err = r.startTask()
	require.NoError(f, err)
	_, err = r.do(Signal{Name: "s", RequestID: "two"})
	require.NoError(f, err)
	f.Add(r.durable)
	_, err = r.do(AttachRequest{RequestID: "three", Callbacks: args{"callbacks": "three"}.callbacks()})
	require.NoError(f, err)
	_, err = r.do(Terminate{})
	require.NoError(f, err)
	_, err = r.do(r.callAnswered(args{"to": "one", "status": "503"}))
	require.NoError(f, err)
	_, err = r.do(r.callAnswered(args{"to": "two", "status": "200"}))
	require.NoError(f, err)
	f.Add(r.durable)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode(data)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		first, err := s.Encode()
		if err != nil {
			return // a text in it is no UTF-8, which only bytes from elsewhere can have
		}
		again, err := Decode(first)
		require.NoError(t, err)
		second, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.NotEmpty(t, again.NeededEvents())
		_ = Check(again) // says what it wants, but does not panic
		_ = Verify(again, nil)
	})
}
