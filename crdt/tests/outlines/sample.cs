using System;

namespace Example
{
    /// <summary>Counts.</summary>
    [Serializable]
    public class Counter : IDisposable
    {
        private int total;
        public const int Most = 8;

        public int Total { get; set; }

        public Counter()
        {
            total = 0;
        }

        #region adding
        public void Add(int x)
        {
            total += x;
        }
        #endregion

        public static Counter operator +(Counter a, Counter b) => a;

        void IDisposable.Dispose() { }
    }

    public enum Kind
    {
        One,
        Two,
    }

    public record Point(int X, int Y);
}
