import React from "react";

interface Props {
  name: string;
}

export const Hello: React.FC<Props> = ({ name }) => {
  return <p className="x">Hello {name}</p>;
};

export default function App() {
  return (
    <Hello name="you" />
  );
}
